-- What every script knows of an entity's hash: m is its facts, p its pending events, f its folded state.

-- Facts of an entity; nil where there is none.
local function facts_of(packed)
  if not packed then return nil end
  local facts = cmsgpack.unpack(packed)
  return {newest = facts[1], until_time = facts[2], until_id = facts[3], version = facts[4], count = facts[5]}
end

local function packed_facts(facts)
  return cmsgpack.pack({facts.newest, facts.until_time, facts.until_id, facts.version, facts.count})
end

-- Whether one text follows another by its bytes, which "<" compares by the server's locale.
local function follows(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a > b end
  end
  return #one > #other
end

-- Whether the place of an event is after another.
local function is_after(time, id, other_time, other_id)
  if time ~= other_time then return time > other_time end
  return follows(id, other_id)
end
