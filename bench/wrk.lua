-- Sends the Cookie headers of a file, one a request, in the order of the file, which is random.
-- The requests are formatted before the run, because that costs more than a fast session.
local requests, i = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { ["Host"] = "bench", ["Cookie"] = line })
  end
  i = tonumber(args[2]) % #requests
end

function request()
  i = i % #requests + 1
  return requests[i]
end

-- Prints what the program reads: requests, microseconds, failures, and quantiles in microseconds.
function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d %d %d", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
