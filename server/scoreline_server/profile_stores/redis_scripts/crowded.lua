-- Returns the places, from 1, of the entities with more pending events than a number.
-- KEYS: each entity's hash
-- ARGV: the number
local crowded = {}
for k = 1, #KEYS do
  local facts = facts_of(redis.call('HGET', KEYS[k], 'm'))
  if facts and facts.count > tonumber(ARGV[1]) then crowded[#crowded + 1] = k end
end
return crowded
