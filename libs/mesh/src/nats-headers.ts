/** Headers of NATS itself. A stream stores one message of an id within its duplicate window. */
export const MESSAGE_ID = 'Nats-Msg-Id';
export const EXPECTED_LAST_SUBJECT_SEQUENCE = 'Nats-Expected-Last-Subject-Sequence';
export const STREAM_SEQUENCE = 'Nats-Sequence';
