-- Returns the number of pending events of some entities, and the bytes of their states and events.
-- KEYS: each entity's hash
local pending, bytes = 0, 0
for k = 1, #KEYS do
  local facts = facts_of(redis.call('HGET', KEYS[k], 'm'))
  if facts then pending = pending + facts.count end
  bytes = bytes + redis.call('HSTRLEN', KEYS[k], 'p') + redis.call('HSTRLEN', KEYS[k], 'f')
end
return {pending, bytes}
