-- wrk's side of the benchmark: wrk … -s load.lua URL -- BODIES WRITE_KEY_HEADER RUN [DELAY_MS]
-- BODIES holds one body a line; its tokens are replaced, so that no id is sent twice in a run. Bodies are cut at them
-- once: wrk shares its core with the broker, and what it takes there is missing to both.
local TOKEN = "@@@@@@@@@@@@"
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function cut(line)
  local pieces, from = {}, 1
  while true do
    local first, last = string.find(line, TOKEN, from, true)
    pieces[#pieces + 1] = string.sub(line, from, (first or 0) - 1)
    if not first then return pieces end
    from = last + 1
  end
end

function init(args)
  bodies, sent, run, pause = {}, 0, tonumber(args[3]), tonumber(args[4] or "0")
  for line in io.lines(args[1]) do bodies[#bodies + 1] = cut(line) end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = args[2]
end

function request()
  sent = sent + 1
  local unique = string.format("%04x%01x%07x", run, number, sent)
  return wrk.format(nil, nil, nil, table.concat(bodies[sent % #bodies + 1], unique))
end

-- At random: connections that paused alike would send all at once, again and again.
function delay() return -math.log(1 - math.random()) * pause end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
