"""What a broker does with a message: whom it goes to, whether they have it, and who looks on.

`pulsing.streaming.broker` is the actor around these, `pulsing.streaming.pubsub` what publishers and readers use.
"""
