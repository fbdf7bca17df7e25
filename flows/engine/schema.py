"""The JSON Schema of the definition document, generated from the models and committed for people and the designer.

``python -m flows.engine.schema docs/flow-definition.schema.json`` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from flows.engine.definition import PairBundle
from flows.engine.transforms import TRANSFORMS, transform_arguments


def definition_schema() -> dict[str, Any]:
    """Schema of a pair with its flows; ``$defs/FlowDocument`` is that of a single flow file."""
    schema = PairBundle.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Causeway pair definition",
        "x-transforms": {
            name: {
                "help": (transform.apply.__doc__ or "").strip(),
                "arguments": {
                    one.name: {"type": one.type, "required": one.required} for one in transform_arguments(name)
                },
            }
            for name, transform in TRANSFORMS.items()
        },
    }


def schema_text() -> str:
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
