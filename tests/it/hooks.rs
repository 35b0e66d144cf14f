//! The hooks against real senders: SNS, EventBridge and their retries.
