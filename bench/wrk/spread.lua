-- Asks many metrics in turn. Arguments: how many, the text behind the path.
local here = debug.getinfo(1, "S").source:match("@(.*)/")
dofile(here .. "/summary.lua")

local asked = 0
local requests = {}

function init(args)
    for n = 1, tonumber(args[1]) do
        local path = string.format("/metrics/00000000-0000-4000-8000-%012x%s", n, args[2])
        requests[n] = wrk.format("GET", path)
    end
end

function request()
    asked = asked + 1
    return requests[1 + asked % #requests]
end
