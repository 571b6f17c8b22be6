"""Forms of answers that the tests ask for."""

from pydantic import BaseModel, Field


class Label(BaseModel):
    label: str
    confidence: float = Field(ge=0, le=1)


LABEL = {"label": "months", "confidence": 0.8}
