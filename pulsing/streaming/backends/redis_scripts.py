"""What a Redis server does for a bucket in one step each, so that no owner can come between.

A bucket has a stream of records, a hash of what it knows of itself, and a hash of the offsets of its groups. The
entry that ends before offset n has the id 0-n; see `redis_entries`. Where somebody traces it has a set of the traces of
its records, too.
"""

from __future__ import annotations

TRIM_LIMIT = 1_000
"""Records a call of `TRIM`: what goes is looked at, and the server does nothing else meanwhile."""

GRAVE_S = 86_400
"""How long a server knows that a bucket was removed: an owner behind a cut could write to it again."""

_FENCED = """
local function fenced(meta)
  local epoch, owner = unpack(redis.call('HMGET', meta, 'epoch', 'owner'))
  epoch = tonumber(epoch or '0')
  local mine = tonumber(ARGV[1])
  if mine < epoch or (mine == epoch and owner and owner ~= ARGV[2]) then
    return redis.error_reply('FENCED ' .. string.format('%.0f', epoch))
  end
end
"""
"""Every script is told its owner and the epoch: of two owners of one epoch, the first to open a bucket has it."""

OPEN = (
    _FENCED
    + """
local mine = tonumber(ARGV[1])
if mine > 0 then
  local refusal = fenced(KEYS[2])
  if refusal then return refusal end
end
local epoch = math.max(mine, tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0'))
redis.call('HSETNX', KEYS[2], 'lineage', ARGV[3])
redis.call('HSET', KEYS[2], 'epoch', string.format('%.0f', epoch), 'owner', ARGV[2])
redis.call('PERSIST', KEYS[2])
return redis.call('HGETALL', KEYS[2])
"""
)
"""Keys: stream, hash. Arguments: epoch, 0 for the last known one, owner, lineage of a new log. Returns the hash."""

APPEND = (
    _FENCED
    + """
local refusal = fenced(KEYS[2])
if refusal then return refusal end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
if following < tonumber(ARGV[4]) then return redis.error_reply('LOST ' .. following) end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'owner', ARGV[2])
local count = 0
for i = 6, #ARGV, 3 do
  count = count + ARGV[i + 1]
  redis.call('XADD', KEYS[1], '0-' .. string.format('%.0f', following + count), 't', ARGV[3], ARGV[i], ARGV[i + 2])
end
redis.call('HINCRBY', KEYS[2], 'next', count)
redis.call('HINCRBY', KEYS[2], 'bytes', ARGV[5])
return following
"""
)
"""Keys: stream, hash. Arguments: epoch, owner, time, the end that the owner has seen, bytes of all records, then field,
count and payload of each entry. Returns the first offset.
"""

RESUME = (
    _FENCED
    + """
local refusal = fenced(KEYS[2])
if refusal then return refusal end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
local seen = tonumber(ARGV[4])
if following >= seen then return {following, 0, tonumber(redis.call('HGET', KEYS[2], 'generation') or '1')} end
local generation = tonumber(ARGV[5]) + 1
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('HSET', KEYS[2], 'first', seen, 'bytes', 0) end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'owner', ARGV[2], 'lineage', ARGV[3], 'next', seen,
  'generation', generation)
return {following, tonumber(redis.call('HGET', KEYS[2], 'first') or '0'), generation}
"""
)
"""Go on behind all that the owner has seen, though the server has lost some of it: no offset is given twice.

Keys: stream, hash. Arguments: epoch, owner, lineage, the end that the owner has seen, generation. Returns the end that
the server had, the oldest offset and the generation.
"""

COMMIT = (
    _FENCED
    + """
local refusal = fenced(KEYS[1])
if refusal then return refusal end
if ARGV[4] == '' then return redis.call('HDEL', KEYS[2], ARGV[3]) end
return redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
"""
)
"""Keys: hash, groups. Arguments: epoch, owner, group, offset or nothing."""

TRIM = (
    _FENCED
    + """
local refusal = fenced(KEYS[2])
if refusal then return refusal end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
local first = tonumber(redis.call('HGET', KEYS[2], 'first') or '0')
local before = math.min(tonumber(ARGV[3]), following, first + """
    + str(TRIM_LIMIT)
    + """)
if before <= first then return {first, tonumber(redis.call('HGET', KEYS[2], 'bytes') or '0')} end
local function sized(entries)
  local size = 0
  for _, entry in ipairs(entries) do
    local records = {entry[2][4]}
    if entry[2][3] == 'b' then records = cmsgpack.unpack(entry[2][4]) end
    local start = tonumber(string.match(entry[1], '-(%d+)')) - #records - 1
    for i, record in ipairs(records) do
      if start + i >= first and start + i < before then size = size + #record end
    end
  end
  return size
end
local ending = '0-' .. string.format('%.0f', before)
local size = sized(redis.call('XRANGE', KEYS[1], '-', ending))
  + sized(redis.call('XRANGE', KEYS[1], '(' .. ending, '+', 'COUNT', 1))
redis.call('XTRIM', KEYS[1], 'MINID', '0-' .. string.format('%.0f', before + 1))
redis.call('HSET', KEYS[2], 'first', before)
return {before, redis.call('HINCRBY', KEYS[2], 'bytes', -size)}
"""
)
"""Keys: stream, hash. Arguments: epoch, owner, the first offset to keep; an entry stays until all of it goes.

Returns the oldest offset and the bytes left.
"""

DESTROY = (
    _FENCED
    + """
local refusal = fenced(KEYS[2])
if refusal then return refusal end
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'owner', '')
return redis.call('EXPIRE', KEYS[2], """
    + str(GRAVE_S)
    + """)
"""
)
"""Keys: stream, hash, groups, traces. Arguments: epoch, owner.

Whoever had the bucket is fenced off by it, its owner too.
"""
