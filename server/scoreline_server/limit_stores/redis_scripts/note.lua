-- Notes marks in their windows, unless they are there or have ended.
-- marks: (place, time, span) of each
for _, mark in ipairs(input.marks) do
  local place, time, span = unpack(mark)
  if time + span > now then
    local is_there = state_of(place) and position(state_of(place).times, time)
    local state = is_there and states[place] or changed_state(place)
    if widen(state, span, 1) then changed[place] = true end
    if not is_there then add_time(state, time) end
  end
end
write()
