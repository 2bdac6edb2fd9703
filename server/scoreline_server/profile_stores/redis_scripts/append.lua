-- Appends events and offsets. Returns the receipts as one digit each, in the order of the arguments; where entities are
-- damaged nothing is changed, and their places, from 1, are returned as a list.
-- KEYS: the sorted set of entities, the hash of counts, for each offset the hash of its consumer, each entity's hash
-- ARGV: lateness, number of offsets, (field, next) of each, then for each entity: its id, how many events, and
--   (id, time, packed) of each. A packed event is a MessagePack array that begins with its id.
-- All is decided before the first write, so that an error has changed nothing.
local KEPT, REPEATED, LATE = '0', '1', '2'
local lateness, offsets = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Bytes that only an event with this id begins with, though an event may also hold them elsewhere.
local function start_of(id, packed)
  local header = #id < 32 and 2 or #id < 256 and 3 or 4
  return string.sub(packed, 1, header + #id)
end

local function has(pending, id, packed)
  if not string.find(pending, start_of(id, packed), 1, true) then return false end
  local at, event = 0, nil
  while at ~= -1 do
    at, event = cmsgpack.unpack_one(pending, at)
    if event[1] == id then return true end
  end
  return false
end

local function is_late(facts, time, id)
  if not facts then return false end
  if facts.version > 0 and not is_after(time, id, facts.until_time, facts.until_id) then return true end
  return time < facts.newest - lateness
end

local receipts, changed, arrived, damaged = {}, {}, {}, {}
local repeated, late = 0, 0

-- Decides about the events of one entity, which begin at an argument. Raises an error for one that is damaged.
local function decide(key, entity, events, at)
  local found = redis.call('HMGET', key, 'm', 'p')
  local facts, pending = facts_of(found[1]), found[2] or ''
  if not facts then arrived[#arrived + 1] = entity end
  local new, ids = {}, {}
  for _ = 1, events do
    local id, time, packed = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
    at = at + 3
    if ids[id] or has(pending, id, packed) then
      repeated = repeated + 1
      receipts[#receipts + 1] = REPEATED
    elseif is_late(facts, time, id) then
      late = late + 1
      receipts[#receipts + 1] = LATE
    else
      facts = facts or {newest = time, until_time = 0, until_id = '', version = 0, count = 0}
      facts.newest = math.max(facts.newest, time)
      facts.count = facts.count + 1
      ids[id] = true
      new[#new + 1] = packed
      receipts[#receipts + 1] = KEPT
    end
  end
  if #new > 0 then changed[#changed + 1] = {key, packed_facts(facts), pending .. table.concat(new)} end
end

local at = 3 + 2 * offsets
for k = 3 + offsets, #KEYS do
  local events = tonumber(ARGV[at + 1])
  if not pcall(decide, KEYS[k], ARGV[at], events, at + 2) then damaged[#damaged + 1] = k - 2 - offsets end
  at = at + 2 + 3 * events
end
if #damaged > 0 then return damaged end

for i = 1, offsets do redis.call('HSET', KEYS[2 + i], ARGV[1 + 2 * i], ARGV[2 + 2 * i]) end
for _, each in ipairs(changed) do redis.call('HSET', each[1], 'm', each[2], 'p', each[3]) end
for _, entity in ipairs(arrived) do redis.call('ZADD', KEYS[1], 0, entity) end
if repeated > 0 then redis.call('HINCRBY', KEYS[2], 'repeated', repeated) end
if late > 0 then redis.call('HINCRBY', KEYS[2], 'late', late) end
return table.concat(receipts)
