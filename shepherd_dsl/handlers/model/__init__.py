"""Models: the operation `model.chat`, performed by a provider, the embedded model or a cassette (`docs/models.md`)."""

from shepherd_dsl.handlers.model.chat import (
    MODEL_CHAT,
    Chat,
    Reply,
    Result,
    Said,
    Tool,
    ToolCall,
    Usage,
    User,
    value_of,
)
from shepherd_dsl.handlers.model.handler import ModelHandler, model_handler, open_model
from shepherd_dsl.handlers.model.options import ModelOptions

__all__ = [
    "MODEL_CHAT",
    "Chat",
    "ModelHandler",
    "ModelOptions",
    "Reply",
    "Result",
    "Said",
    "Tool",
    "ToolCall",
    "Usage",
    "User",
    "model_handler",
    "open_model",
    "value_of",
]
