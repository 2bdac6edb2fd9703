-- What every script knows of counters and requests.
-- KEYS: the hashes of counters, then the strings of requests
-- ARGV: a MessagePack map: now, grace and repeatable in microseconds; places, (number of the key, field) of each counter;
--   and what a script does.
-- A unit has a hash with a field for each of its counters, and each counter of all units a hash. A field is a MessagePack
-- array: total, span, depth, end, and the times of a window in order. The end is NEVER where there is none. The field ''
-- is the latest end of all fields, and at how many fields those that have ended are dropped.
-- All is decided before the first write, so that an error has changed nothing.
local NEVER, MOST, TOTAL = -1, 9007199254740991, 0
local input = cmsgpack.unpack(ARGV[1])
local now = input.now
local states, changed, granted, touched = {}, {}, {}, {}

local function later(one, other)
  if one == NEVER or other == NEVER then return NEVER end
  return math.max(one, other)
end

-- The state in a field. A long table cannot be taken apart by unpack.
local function unpacked(packed)
  local stored, times = cmsgpack.unpack(packed), {}
  for i = 5, #stored do times[i - 4] = stored[i] end
  return {total = stored[1], span = stored[2], depth = stored[3], ends = stored[4], times = times}
end

-- The stored state of a counter; false where there is none.
local function state_of(place)
  if states[place] == nil then
    local key, field = unpack(input.places[place])
    local packed = redis.call('HGET', KEYS[key], field)
    states[place] = packed and unpacked(packed) or false
  end
  return states[place]
end

-- The state of a counter that is going to be written.
local function changed_state(place)
  changed[place] = true
  states[place] = state_of(place) or {total = 0, span = 0, depth = 0, ends = 0, times = {}}
  return states[place]
end

-- Keeps the times that a longer span or a higher limit needs; whether it is longer or higher.
local function widen(state, span, depth)
  if span <= state.span and depth <= state.depth then return false end
  state.span, state.depth = math.max(span, state.span), math.max(depth, state.depth)
  if #state.times > 0 then state.ends = later(state.ends, state.times[#state.times] + state.span) end
  return true
end

-- The place of the first time after another, in a window.
local function first_after(times, time)
  local low, high = 1, #times + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if times[middle] > time then high = middle else low = middle + 1 end
  end
  return low
end

-- Adds a time to a window and drops those that are not needed any more.
local function add_time(state, time)
  table.insert(state.times, first_after(state.times, time), time)
  local first = math.max(first_after(state.times, now - state.span), #state.times - state.depth + 1)
  if first > 1 then
    local kept = {}
    for i = first, #state.times do kept[#kept + 1] = state.times[i] end
    state.times = kept
  end
  state.ends = later(state.ends, time + state.span)
end

local function position(times, time)
  for i = #times, 1, -1 do
    if times[i] == time then return i end
  end
end

-- What was granted to a request before, where it still counts and is among the claims; and the claim.
local function known_of(request, claims)
  if request == 0 then return end
  if granted[request] == nil then
    local packed = redis.call('GET', KEYS[request])
    granted[request] = packed and cmsgpack.unpack(packed) or false
  end
  local known = granted[request]
  if not known or known[2] + input.repeatable <= now then return end
  for _, claim in ipairs(claims) do
    if claim[1] == known[1] then return known, claim end
  end
end

-- The check that adds most to each window and total. A check: place, at most (-1 for any), amount, span, end, limit.
local function additions_of(claim)
  local most, order = {}, {}
  for _, check in ipairs(claim[2]) do
    local place = check[1] * 2 + (check[4] == TOTAL and 0 or 1)
    if check[3] > 0 then
      if not most[place] then order[#order + 1] = place end
      if not most[place] or check[3] > most[place][3] then most[place] = check end
    end
  end
  local additions = {}
  for i, place in ipairs(order) do additions[i] = most[place] end
  return additions
end

local function milliseconds(time)
  return string.format('%.0f', math.max(1, math.ceil(time / 1000)))
end

-- Drops the fields of a hash that have ended; how many are left.
local function sweep(key)
  local all, left = redis.call('HGETALL', key), 0
  for i = 1, #all, 2 do
    local ends = all[i] == '' and NEVER or cmsgpack.unpack(all[i + 1])[4]
    if ends ~= NEVER and ends < now - input.grace then redis.call('HDEL', key, all[i]) else left = left + 1 end
  end
  return left
end

-- Has a hash end with the last of its fields.
local function keep(key, ends)
  local packed = redis.call('HGET', key, '')
  local latest, most = unpack(packed and cmsgpack.unpack(packed) or {0, 8})
  latest = later(latest, ends)
  if redis.call('HLEN', key) >= most then most = 2 * sweep(key) + 8 end
  redis.call('HSET', key, '', cmsgpack.pack({latest, most}))
  if latest == NEVER then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIRE', key, milliseconds(latest - now + input.grace))
  end
end

-- Writes what has changed.
local function write()
  local ends = {}
  for place in pairs(changed) do
    local state, at = states[place], input.places[place]
    local row = {state.total, state.span, state.depth, state.ends}
    for i, time in ipairs(state.times) do row[4 + i] = time end
    redis.call('HSET', KEYS[at[1]], at[2], cmsgpack.pack(row))
    ends[at[1]] = later(ends[at[1]] or 0, state.ends)
  end
  for key, latest in pairs(ends) do keep(KEYS[key], latest) end
  for request in pairs(touched) do
    if granted[request] then
      local rest = granted[request][2] + input.repeatable - now
      redis.call('SET', KEYS[request], cmsgpack.pack(granted[request]), 'PX', milliseconds(rest))
    else
      redis.call('DEL', KEYS[request])
    end
  end
end

