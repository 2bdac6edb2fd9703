-- Takes back what was granted to requests. Returns how many grants were taken back.
-- reservations: as those of reserve.lua
local released = 0
for _, reservation in ipairs(input.reservations) do
  local known, claim = known_of(reservation[1], reservation[2])
  if known then
    for _, check in ipairs(additions_of(claim)) do
      if state_of(check[1]) then
        local state = changed_state(check[1])
        local at = check[4] ~= TOTAL and position(state.times, known[2])
        if check[4] == TOTAL then state.total = math.max(0, state.total - check[3]) end
        if at then table.remove(state.times, at) end
      end
    end
    granted[reservation[1]], touched[reservation[1]] = false, true
    released = released + 1
  end
end
write()
return released
