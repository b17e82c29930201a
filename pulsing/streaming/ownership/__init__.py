"""Who owns which bucket and broker, and how that changes: claims and votes, files and their keepers, leaving and death.

The catalogue is what a node knows; `claims` wins buckets whose records only their owner has; `takeover` says which
those are; `exchange` is how managers tell each other. `pulsing.streaming.manager` puts the parts together.
"""
