"""Makes a JSON Schema for each version of a custom resource definition (CRD), as strict as an API server that rejects
unknown fields:  python3 from_crd.py CRD.yaml  writes KIND-VERSION.json beside this file. Needs PyYAML."""

import json
import pathlib
import sys

import yaml

KEPT = ("type", "properties", "items", "required", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems",
        "maxItems", "pattern", "anyOf", "oneOf", "allOf", "not", "additionalProperties", "format", "minProperties")


def strict(schema, of_properties=False):
    """`schema` without descriptions, closed where the definition names the properties."""
    if of_properties:
        return {name: strict(one) for name, one in schema.items()}
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key in KEPT:
        if key not in schema:
            continue
        value = schema[key]
        if key == "properties":
            kept[key] = strict(value, of_properties=True)
        elif key in ("anyOf", "oneOf", "allOf"):
            kept[key] = [strict(one) for one in value]
        elif key in ("items", "additionalProperties", "not"):
            kept[key] = strict(value)
        else:
            kept[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        kept = {"type": ["integer", "string"]}
    if "type" in kept and "properties" in kept and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    return kept


for file in sys.argv[1:]:
    definition = yaml.safe_load(open(file))
    kind = definition["spec"]["names"]["kind"]
    for version in definition["spec"]["versions"]:
        name = version["name"]
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["apiVersion"] = {"const": f'{definition["spec"]["group"]}/{name}'}
        schema["properties"]["kind"] = {"const": kind}
        schema["properties"].pop("status", None)
        schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
        schema["required"] = sorted({"apiVersion", "kind", "metadata", *schema.get("required", [])})
        target = pathlib.Path(__file__).parent / f"{kind.lower()}-{name}.json"
        target.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
