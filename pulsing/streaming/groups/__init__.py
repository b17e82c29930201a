"""Consumer groups: the members of a group share the buckets of a queue and acknowledge what they have done.

`ledger` decides, as a state machine without a loop, in the words of `ledger_words`; `bucket_groups` performs what it
decides beside the bucket's log; `calls` is what members ask of a bucket, and `reader` is such a member.
"""
