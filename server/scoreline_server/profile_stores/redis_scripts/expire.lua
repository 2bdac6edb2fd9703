-- Removes the entities whose newest event is older than a time. Returns how many.
-- KEYS: the sorted set of entities, each entity's hash
-- ARGV: the time, each entity's id
local removed = 0
for k = 2, #KEYS do
  local facts = facts_of(redis.call('HGET', KEYS[k], 'm'))
  if facts and facts.newest < tonumber(ARGV[1]) then
    redis.call('DEL', KEYS[k])
    redis.call('ZREM', KEYS[1], ARGV[k])
    removed = removed + 1
  end
end
return removed
