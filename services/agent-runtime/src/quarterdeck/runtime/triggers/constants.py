"""Numbers and names of triggers that their outside sees."""

# Every run that a trigger started has this label, with the trigger's name.
TRIGGER_LABEL = "quarterdeck.dev/trigger"

# An event of type "payment.received" travels under the topic "events.payment.received".
EVENT_TOPIC = "events."
# On a message of the bus: whoever published the event has fired the triggers already.
DISPATCHED_HEADER = "quarterdeck-dispatched"

# Scheduled times that one backfill may cover.
MAX_BACKFILL = 1000
# Missed times that are counted one by one after an outage; what is beyond is skipped uncounted.
MAX_COUNTED = 1000

# Seconds. A start that is less late than this is in time, whatever `catchUp` says.
ON_TIME = 30.0
# How long an object that was just applied may take to arrive.
ARRIVAL = 1.0
