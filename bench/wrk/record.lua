-- Adds the same record again and again.
local here = debug.getinfo(1, "S").source:match("@(.*)/")
dofile(here .. "/summary.lua")

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"date":"2025-06-10T08:00:00","obsolescence_val":12.5,"parts_flagged":3,"alert_type":"Warning"}'
