-- Returns the facts, pending events and state of each entity, one behind the other; nil for what is not there.
-- KEYS: each entity's hash
local all = {}
for k = 1, #KEYS do
  local found = redis.call('HMGET', KEYS[k], 'm', 'p', 'f')
  all[3 * k - 2], all[3 * k - 1], all[3 * k] = found[1], found[2], found[3]
end
return all
