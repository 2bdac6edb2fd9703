-- Grants reservations. Returns a MessagePack array with one for each: 0 for no grant, 1 for a new and 2 for a repeated
-- one; the action; those of the other actions that limits refuse; and action and limit of each refusal.
-- reservations: (number of the request's key or 0, claims, others) of each; a claim is an action and its checks

local function holds(state, check)
  local at_most, amount, span = check[2], check[3], check[4]
  if at_most < 0 then return true end
  if span == TOTAL then return (state and state.total or 0) + amount <= at_most end
  local times = state and state.times or {}
  return #times + 1 - first_after(times, now - span) + amount <= at_most
end

-- How many times of a window tell whether a check holds.
local function depth_of(check)
  return check[2] < 0 and 1 or check[2] + 1
end

-- The first limit that refuses an action.
local function refusing(claim)
  local limit = nil
  for _, check in ipairs(claim[2]) do
    local state = state_of(check[1])
    if state and check[4] ~= TOTAL and widen(state, check[4], depth_of(check)) then changed[check[1]] = true end
    if not limit and not holds(state, check) then limit = check[6] end
  end
  return limit
end

local function take(claim)
  local additions = additions_of(claim)
  for _, check in ipairs(additions) do changed_state(check[1]) end
  for _, check in ipairs(claim[2]) do
    if check[4] ~= TOTAL and state_of(check[1]) then widen(states[check[1]], check[4], depth_of(check)) end
  end
  for _, check in ipairs(additions) do
    local state = states[check[1]]
    if check[4] == TOTAL then
      state.total = math.min(state.total + check[3], MOST)
      state.ends = later(state.ends, check[5])
    else
      add_time(state, now)
    end
  end
end

-- The answer to one reservation.
local function answer_to(request, claims, others)
  local known = known_of(request, claims)
  if known then
    local answer = {2, known[1]}
    for i = 3, #known do answer[i] = known[i] end
    return answer
  end
  local refused = {}
  for _, claim in ipairs(others) do
    if refusing(claim) then refused[#refused + 1] = claim[1] end
  end
  local refusals = {}
  for _, claim in ipairs(claims) do
    local limit = refusing(claim)
    if not limit then
      take(claim)
      local answer, memory = {1, claim[1], refused}, {claim[1], now, refused}
      for i, each in ipairs(refusals) do answer[3 + i], memory[3 + i] = each, each end
      if request > 0 then granted[request], touched[request] = memory, true end
      return answer
    end
    refusals[#refusals + 1] = claim[1]
    refusals[#refusals + 1] = limit
  end
  return {0, '', refused, unpack(refusals)}
end

local answers = {}
for i, each in ipairs(input.reservations) do answers[i] = answer_to(each[1], each[2], each[3]) end
write()
return cmsgpack.pack(answers)
