-- Requests for wrk. Arguments: what to send (healthz, track, ingest-new, ingest-known), and a seed, so that
-- no two runs name the same sessions and events.

local what, seed, number
-- Set by `setup`, so a global one.
thread_number = 0

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

function init(args)
  what, seed, number = args[1], args[2], 0
end

local headers = { ["Content-Type"] = "application/json", ["User-Agent"] = "bench" }

local function track()
  return string.format(
    '{"storeName":"demo.myshopify.com","actionType":"add_to_cart","productId":"%d","productTitle":"Linen shirt",'
      .. '"productUrl":"https://demo.myshopify.com/products/linen-shirt","customerId":"%d","sessionId":"s-%d","eventId":"%s-%d-%d"}',
    number % 500, number % 5000, number % 5000, seed, thread_number, number)
end

-- An envelope with ten events of one page, as a tracker sends it.
local function envelope(session)
  local events = {}
  for i = 1, 10 do
    events[i] = string.format(
      '{"type":"click","ts":%d,"url":"https://shop.example.com/products/linen-shirt","page":"Product:/products/linen-shirt","target":"#option-%d"}',
      1795000000 + number, i)
  end
  return string.format(
    '{"reason":"threshold_10","ts":%d,"session":"%s","state":{"session":"%s","itemsInCart":2,'
      .. '"timeonpage":{"Product:/products/linen-shirt":1200},"events":{"Product:/products/linen-shirt":[%s]}}}',
    1795000000 + number, session, session, table.concat(events, ","))
end

function request()
  number = number + 1
  if what == "healthz" then
    return wrk.format("GET", "/healthz")
  elseif what == "track" then
    return wrk.format("POST", "/api/cart-tracking/track", headers, track())
  elseif what == "ingest-new" then
    return wrk.format("POST", "/ingest", headers, envelope(string.format("%s-%d-%d", seed, thread_number, number)))
  else
    -- Two hundred sessions a thread, in turns.
    return wrk.format("POST", "/ingest", headers, envelope(string.format("%s-%d-known-%d", seed, thread_number, number % 200)))
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50)))
  io.write(string.format("P99 %d\n", latency:percentile(99)))
end
