-- Sends the requests of a file in turn, and says as JSON how it went.
--   wrk ... -s requests.lua http://127.0.0.1:8000 -- requests.tsv
-- A line of the file: method, path, token or "-", body or "-", between tabs.

local prepared, sent = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, token, body = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
    local headers = { ["Content-Type"] = "application/json", ["Host"] = "127.0.0.1" }
    if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
    if body == "-" then body = nil end
    prepared[#prepared + 1] = wrk.format(method, path, headers, body)
  end
end

function request()
  sent = sent + 1
  return prepared[(sent - 1) % #prepared + 1]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "bytes": %d, ' ..
    '"refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
