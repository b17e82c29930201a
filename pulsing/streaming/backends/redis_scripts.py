"""What a Redis server does for a bucket in one step each, so that no owner can come between.

A bucket has a stream of records, a hash of what it knows of itself, and a hash of the offsets of its groups. The
entry of offset n has the id 0-(n + 1).
"""

from __future__ import annotations

TRIM_LIMIT = 1_000
"""Records a call of `TRIM`: what goes is looked at, and the server does nothing else meanwhile."""

APPEND = """
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
local mine = tonumber(ARGV[1])
if mine < epoch then return redis.error_reply('FENCED ' .. epoch) end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
if following < tonumber(ARGV[3]) then return redis.error_reply('LOST ' .. following) end
if mine > epoch then redis.call('HSET', KEYS[2], 'epoch', mine) end
local size = 0
for i = 4, #ARGV do
  redis.call('XADD', KEYS[1], '0-' .. string.format('%.0f', following + i - 3), 't', ARGV[2], 'd', ARGV[i])
  size = size + #ARGV[i]
end
redis.call('HINCRBY', KEYS[2], 'next', #ARGV - 3)
redis.call('HINCRBY', KEYS[2], 'bytes', size)
return following
"""
"""Keys: stream, hash. Arguments: epoch, time, the end that the owner has seen, records. Returns the first offset."""

RESUME = """
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
if tonumber(ARGV[1]) < epoch then return redis.error_reply('FENCED ' .. epoch) end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
local seen = tonumber(ARGV[3])
if following >= seen then return {following, 0, tonumber(redis.call('HGET', KEYS[2], 'generation') or '1')} end
local generation = tonumber(ARGV[4]) + 1
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('HSET', KEYS[2], 'first', seen, 'bytes', 0) end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'lineage', ARGV[2], 'next', seen, 'generation', generation)
return {following, tonumber(redis.call('HGET', KEYS[2], 'first') or '0'), generation}
"""
"""Go on behind all that the owner has seen, though the server has lost some of it: no offset is given twice.

Keys: stream, hash. Arguments: epoch, lineage, the end that the owner has seen, generation. Returns the end that the
server had, the oldest offset and the generation.
"""

COMMIT = """
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
if tonumber(ARGV[1]) < epoch then return redis.error_reply('FENCED ' .. epoch) end
if ARGV[3] == '' then return redis.call('HDEL', KEYS[2], ARGV[2]) end
return redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
"""
"""Keys: hash, groups. Arguments: epoch, group, offset or nothing."""

TRIM = (
    """
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
if tonumber(ARGV[1]) < epoch then return redis.error_reply('FENCED ' .. epoch) end
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
local first = tonumber(redis.call('HGET', KEYS[2], 'first') or '0')
local before = math.min(tonumber(ARGV[2]), following, first + """
    + str(TRIM_LIMIT)
    + """)
if before <= first then return {first, tonumber(redis.call('HGET', KEYS[2], 'bytes') or '0')} end
local size = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '0-' .. string.format('%.0f', before))) do
  size = size + #entry[2][4]
end
redis.call('XTRIM', KEYS[1], 'MINID', '0-' .. string.format('%.0f', before + 1))
redis.call('HSET', KEYS[2], 'first', before)
return {before, redis.call('HINCRBY', KEYS[2], 'bytes', -size)}
"""
)
"""Keys: stream, hash. Arguments: epoch, the first offset to keep. Returns the oldest offset and the bytes left."""
