-- Asks for changing windows: every `every`th request has one that was not asked before, all others have
-- the hot one.
-- Arguments: path, every, the number of the first new window.
local here = debug.getinfo(1, "S").source:match("@(.*)/")
dofile(here .. "/summary.lua")

local path, every, number
local asked = 0
local hot
-- 2026-01-01; the records are all from before it.
local first_end = 1767225600

local function window(n)
    local start = 1 + n % 30
    local stop = os.date("!%Y-%m-%d", first_end + 86400 * math.floor(n / 30))
    return string.format("%s?start_date=2025-12-%02d&end_date=%s", path, start, stop)
end

function init(args)
    path, every, number = args[1], tonumber(args[2]), tonumber(args[3])
    hot = wrk.format("GET", path .. "?start_date=2025-06-01&end_date=2025-06-30")
end

function request()
    asked = asked + 1
    if asked % every ~= 0 then
        return hot
    end
    number = number + 1
    return wrk.format("GET", window(number))
end
