-- Replaces states and drops the events that are in them. Returns how many folds were taken.
-- KEYS: the sorted set of entities, each entity's hash
-- ARGV: for each entity: its id, version, number of folded events, time and id of the last of them, and the new state
local taken = 0

-- The pending events after a place, packed, and how many there are.
local function rest_of(pending, time, id)
  local rest, from, event = {}, 0, nil
  while from < #pending do
    local next_from
    next_from, event = cmsgpack.unpack_one(pending, from)
    if next_from == -1 then next_from = #pending end
    if is_after(event[2], event[1], time, id) then rest[#rest + 1] = string.sub(pending, from + 1, next_from) end
    from = next_from
  end
  return table.concat(rest), #rest
end

for k = 2, #KEYS do
  local at = 6 * (k - 2)
  local entity, version, events = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local time, id, folded = tonumber(ARGV[at + 4]), ARGV[at + 5], ARGV[at + 6]
  local found = redis.call('HMGET', KEYS[k], 'm', 'p')
  local facts = facts_of(found[1]) or {newest = time, version = 0, count = 0}
  local rest, count = rest_of(found[2] or '', time, id)
  if facts.version == version and facts.count - count == events then
    local after = {
      newest = math.max(facts.newest, time), until_time = time, until_id = id, version = version + 1, count = count,
    }
    redis.call('HSET', KEYS[k], 'm', packed_facts(after), 'p', rest, 'f', folded)
    if not found[1] then redis.call('ZADD', KEYS[1], 0, entity) end
    taken = taken + 1
  end
end
return taken
