#!/usr/bin/env python3
"""Writes tables_data.c and constants.h (second argument: directory) from data/*.json (first argument).

The C side is src/m2m/tables_private.h. The output depends on the input only. A data type that this file
does not know is an error, so that nothing is accepted unchecked by oversight.
"""
import json
import os
import re
import sys

INT64_MIN, INT64_MAX = -(2 ** 63), 2 ** 63 - 1
ANY_LENGTH = INT64_MAX

# data type -> checker; the kinds are those of gh_dtype_kind.
TEXT = {
    "xs:string": "STRING", "xs:NCName": "NCNAME", "xs:token": "TOKEN", "xs:anyURI": "ANY_URI",
    "xs:duration": "DURATION", "xs:base64Binary": "BASE64", "m2m:ID": "ID", "m2m:nhURI": "ID",
    "m2m:nodeID": "ID", "m2m:deviceID": "ID", "m2m:timestamp": "TIMESTAMP",
    "m2m:absRelTimestamp": "ABS_REL_TIMESTAMP", "m2m:resourceName": "RESOURCE_NAME",
    "m2m:roleID": "NAME_AT_FQDN", "m2m:tokenID": "NAME_AT_FQDN", "m2m:label": "LABEL",
    "m2m:contentInfo": "CONTENT_INFO", "m2m:dynAuthJWT": "JWT", "m2m:ipv4": "IPV4", "m2m:ipv6": "IPV6",
    "m2m:scheduleEntry": "SCHEDULE_ENTRY", "m2m:releaseVersion": "RELEASE_VERSION",
    "m2m:externalID": "EXTERNAL_ID", "m2m:countryCode": "COUNTRY_CODE", "m2m:requestID": "STRING",
    "m2m:sparql": "STRING", "m2m:TMGI": "STRING", "m2m:typeOfContent": "STRING",
    "m2m:locationTargetID": "STRING", "m2m:sessionDescription": "STRING", "m2m:serialization": "SERIALIZATION",
    "m2m:protocol": "STRING", "m2m:poa": "ANY_URI", "union of m2m:nodeID and m2m:ID": "ID",
    "sec:relKeyID": "REL_KEY_ID", "sec:credentialID": "CREDENTIAL_ID",
    "sec:deviceConfigURI": "DEVICE_CONFIG_URI",
}
INTEGER = {
    "xs:integer": (INT64_MIN, INT64_MAX), "xs:long": (INT64_MIN, INT64_MAX),
    "xs:nonNegativeInteger": (0, INT64_MAX), "xs:positiveInteger": (1, INT64_MAX),
    "xs:unsignedLong": (0, INT64_MAX), "xs:unsignedInt": (0, 2 ** 32 - 1),
    "xs:unsignedShort": (0, 2 ** 16 - 1), "m2m:triggerRecipientID": (0, 2 ** 16 - 1),
    "m2m:eventCatWithDef": (0, 999), "m2m:responseStatusCode": (1000, 9999),
}
OTHER = {"xs:boolean": "BOOLEAN", "xs:float": "FLOAT", "xs:double": "FLOAT", "xs:anySimpleType": "SCALAR",
         "m2m:setOfAcrs": "ACRS", "object": "OBJECT", "m2m:requestPrimitive": "OBJECT",
         "m2m:responsePrimitive": "OBJECT", "See Table 6.4.2-1 for detail": "OBJECT",
         "m2m:primitiveContent": "OBJECT"}
# Described nowhere at hand: any bounded JSON.
OPEN = {"xs:anyType", "per containerDefinition", "per mgmtDefinition or mgmtSchema", "m2m:sessionCapability",
        "restricted list of xs:boolean"}
# named list type -> (element, least, most)
LISTS = {
    "m2m:acpType": ("m2m:ID", 1, ANY_LENGTH), "m2m:labels": ("m2m:label", 0, ANY_LENGTH),
    "m2m:listOfM2MID": ("m2m:ID", 0, ANY_LENGTH), "m2m:listOfURIs": ("xs:anyURI", 0, ANY_LENGTH),
    "m2m:listOfMinMax": ("xs:long", 2, 2), "m2m:missingDataList": ("m2m:timestamp", 0, ANY_LENGTH),
    "m2m:poaList": ("m2m:poa", 0, ANY_LENGTH), "m2m:protocolList": ("m2m:protocol", 0, ANY_LENGTH),
    "m2m:resourceTypeList": ("m2m:resourceType", 0, ANY_LENGTH),
    "m2m:serializations": ("m2m:serialization", 1, ANY_LENGTH),
    "m2m:sessionCapabilities": ("m2m:sessionCapability", 0, ANY_LENGTH),
    "m2m:supportedReleaseVersions": ("m2m:releaseVersion", 0, ANY_LENGTH),
    "m2m:attributeList": ("xs:NCName", 0, ANY_LENGTH), "m2m:signatureList": ("m2m:dynAuthJWT", 0, ANY_LENGTH),
}
SPELLING = {"m2m:deliveryMetaData": "m2m:deliveryMetadata", "m2m:softwareUpdateType": "m2m:softwareUpdateArgsType"}
# 02 section 15 rows 44 and 45 and the last gap of data/README.md: the other shape is accepted too.
ONE_OR_LIST = {"notificationForwardingURI", "transferSelectionGuidance", "resultGenType", "otherConditions"}
BARE_LIST = {"m2m:activityPatternElements"}
ROOT_ALIASES = {"dcfg:macc": "MAFClientRegCfg", "dcfg:mecc": "MEFClientRegCfg"}
MEMBER_ALIASES = {"sec:MONodeCmdArgs": {"objectTypeSpecifcArgs": "objectTypeSpecificArgs"}}
PRESENCE = {"NP": "GH_NP", "O": "GH_OPT", "M": "GH_MAND"}


def load(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(value):
    return "INT64_MIN" if value == INT64_MIN else "INT64_C(%d)" % value


def flag(value):
    return "true" if value else "false"


def enum_ranges(entry):
    """Sorted, merged [low, high] pairs without the reserved values."""
    pairs = []
    for item in entry["values"]:
        if item["name"] == "void":
            continue
        value = item["value"]
        low, high = (value, value) if isinstance(value, int) else map(int, re.split(r"\s*(?:\.\.|-)\s*", value))
        pairs.append((low, high))
    merged = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            merged[-1][1] = max(high, merged[-1][1])
        else:
            merged.append([low, high])
    return merged


class Enums:
    def __init__(self, entries, extra_types):
        self.entries = sorted(entries, key=lambda entry: entry["name"])
        self.index = {entry["name"]: i for i, entry in enumerate(self.entries)}
        kinds = self.entries[self.index["m2m:resourceType"]]
        kinds["values"] = kinds["values"] + [{"value": ty, "name": name} for ty, name in extra_types]

    def write(self, out):
        ranges, rows = [], []
        for entry in self.entries:
            merged = enum_ranges(entry)
            mask = sum(item["value"] for item in entry["values"]) if entry["bitmask"] else 0
            rows.append("{%s, %d, %d, %d}" % (text(entry["name"]), len(ranges), len(merged), mask))
            ranges += merged
        array(out, "gh_enum_range", "gh_tab_enum_ranges", ["{%d, %d}" % tuple(pair) for pair in ranges])
        array(out, "gh_enum_def", "gh_tab_enums", rows)


class Types:
    """Data types, numbered in the order of their first use."""

    def __init__(self, enums, complex_types):
        self.enums = enums
        self.complex = {entry["name"]: entry for entry in complex_types}
        self.rows, self.index, self.members = [], {}, []

    def add(self, key, name, kind, flags="0", item=-1, low=0, high=0, first=0, count=0):
        row = [name, kind, flags, item, low, high, first, count]
        self.index[key] = len(self.rows)
        self.rows.append(row)
        return self.index[key]

    def of_list(self, name, element, low, high, flags="0"):
        key = ("list", name, element, low, high, flags)
        if key in self.index:
            return self.index[key]
        item = self.of(element)
        return self.add(key, name, "LIST", flags, item, low, high)

    def of_integer(self, name, low, high):
        key = ("integer", name, low, high)
        return self.index[key] if key in self.index else self.add(key, name, "INTEGER", low=low, high=high)

    def of(self, name, is_list=False, low=0, high=ANY_LENGTH, flags="0"):
        name = SPELLING.get(name, name)
        match = re.fullmatch(r"list of (?:(\d+) )?(\S+)", name)
        if match:
            if match[1]:
                low = high = int(match[1])
            return self.of_list(name, match[2], low, high, flags)
        if name in LISTS:
            element, least, most = LISTS[name]
            return self.of_list(name, element, max(least, low), min(most, high), flags)
        if is_list:
            return self.of_list("list of " + name, name, low, high, flags)
        if name in self.index:
            return self.index[name]
        return self.of_single(name)

    def of_single(self, name):
        if name in self.enums.index:
            return self.add(name, name, "ENUM", item=self.enums.index[name])
        if name in TEXT:
            return self.add(name, name, TEXT[name])
        if name in INTEGER:
            return self.add(name, name, "INTEGER", low=INTEGER[name][0], high=INTEGER[name][1])
        if name in OTHER:
            return self.add(name, name, OTHER[name])
        if name in OPEN:
            return self.add(name, name, "ANY")
        if name in self.complex:
            return self.of_complex(name, self.complex[name]["members"], self.complex[name].get("choice", False))
        sys.exit("gen_tables: unknown data type %r" % name)

    def of_complex(self, name, members, choice):
        index = self.add(name, name, "COMPLEX")  # numbered first: types may nest
        known = any(source.startswith("TS") for member in members for source in member["sources"])
        rows = []
        for member in members:
            path = member["long_name"].split("/")
            if len(path) == 1 and member["short_name"] is not None:
                rows += self.member_rows(name, member, members, known)
        rows.sort(key=lambda row: row[0])
        flags = [text_flag for text_flag, on in (("GH_DF_CHOICE", choice), ("GH_DF_BARE_LIST", name in BARE_LIST)) if on]
        self.rows[index][2] = " | ".join(flags) or "0"
        self.rows[index][6:] = [len(self.members), len(rows)]
        self.members += rows
        return index

    def member_rows(self, owner, member, members, known):
        least, _, most = (member["multiplicity"] or "0..1").partition("..")
        most = most or least
        listed = member["list"]
        low = int(least) if listed and most not in ("1",) else 0
        high = int(most) if listed and most not in ("1", "n") else ANY_LENGTH
        kind = member["data_type"]
        if kind == "(anonymous)":
            inner = [dict(sub, long_name=sub["long_name"][len(member["long_name"]) + 1:]) for sub in members
                     if sub["long_name"].startswith(member["long_name"] + "/")]
            kind = owner + "." + member["long_name"]
            if kind not in self.index:
                self.of_complex(kind, inner, False)
            dtype = self.of_list("list of " + kind, kind, low, high) if listed else self.index[kind]
        else:
            dtype = self.of(kind, listed, low, high)
        release4 = known and not any(source.startswith(("TS", "design")) for source in member["sources"])
        required = least != "0" and not release4
        long_name = "val" if member["long_name"] == "(base content)" else member["long_name"]
        row = (member["short_name"], long_name, dtype, required, release4)
        alias = MEMBER_ALIASES.get(owner, {}).get(long_name)
        return [row] if alias is None else [row, (member["short_name"], alias, dtype, False, release4)]

    def of_attribute(self, attribute, specialization):
        kind, constraint = attribute["data_type"], attribute["constraint"] or ""
        bounds = re.match(r"(\d+)\.\.(\d+)\b", constraint)
        if kind == "m2m:mgmtDefinition" and specialization:
            return self.of_integer(kind, specialization, specialization)
        if kind in INTEGER and bounds:
            return self.of_integer(kind, int(bounds[1]), int(bounds[2]))
        if attribute["long_name"] in ONE_OR_LIST:
            return self.of(kind, True, flags="GH_DF_ONE_OR_LIST")
        return self.of(kind, attribute["list"])

    def write(self, out):
        rows = ["{%s, %s, %d, %s, %s}" % (text(short), text(long_name), dtype, flag(required), flag(release4))
                for short, long_name, dtype, required, release4 in self.members]
        array(out, "gh_member_def", "gh_tab_members", rows)
        rows = ["{%s, GH_DK_%s, %s, %d, %s, %s, %d, %d}"
                % (text(row[0]), row[1], row[2], row[3], number(row[4]), number(row[5]), row[6], row[7])
                for row in self.rows]
        array(out, "gh_dtype_def", "gh_tab_dtypes", rows)


def array(out, kind, name, rows):
    out.append("const %s %s[] = {" % (kind, name))
    out.extend("  %s," % row for row in rows)
    out.append("};")
    if kind in ("gh_type_def", "gh_root_def", "gh_rsc_def", "gh_enum_def"):
        out.append("const size_t %s_count = %d;" % (name, len(rows)))
    out.append("")


def announced_attributes(original, generic):
    """02 section 8.3: the generic rules, then what the original announces."""
    result = {attribute["short_name"]: attribute for attribute in generic}
    for attribute in original:
        if attribute["announce"] in ("MA", "OA") and attribute["short_name"] not in result:
            must = attribute["announce"] == "MA" and attribute["cardinality"] == "1" and attribute["release"] == "3"
            result[attribute["short_name"]] = dict(attribute, create="M" if must else "O", update="O", access="RW")
    return list(result.values())


def resource_types(folder):
    """[(number, specialization, record, attributes, child names)], sorted."""
    records, attributes, child_of = [], [], {}
    for name in ("resource_types.json", "sec.json", "gatehouse.json"):
        if not os.path.exists(os.path.join(folder, name)):
            continue
        data = load(folder, name)
        records += data["resource_types"]
        attributes += data.get("attributes", [])
        child_of.update(data.get("child_of", {}))
    attributes += load(folder, "attributes.json")["attributes"]
    by_type = {}
    for attribute in attributes:
        by_type.setdefault(attribute["resource_type"], []).append(attribute)
    result = []
    for record in records:
        if record["type"] is None:
            continue
        own = by_type.get(record["name"], [])
        children = [child["resource_type"] for child in record["children"]]
        children += [child for child, parents in child_of.items() if record["name"] in parents]
        result.append((record["type"], record["mgmt_definition"] or 0, record, own, children))
        if record["announced"]:
            twin = dict(record["announced"], in_cse_only=False)
            names = {other["name"]: other["announced"] for other in records}
            below = [names[child]["name"] for child in children if names.get(child)]
            below += [child for child in children if child == "subscription"]
            result.append((twin["type"], record["mgmt_definition"] or 0, twin,
                           announced_attributes(own, by_type["announcedResource"]), below))
    return sorted(result, key=lambda item: (item[0], item[1]))


def attribute_row(types, attribute, specialization):
    short = attribute["short_name"] or "*"
    return "{%s, %s, %s, %d, %s, %s, %s, %s, %s, %s}" % (
        text(short), text(attribute["long_name"]), text(attribute["data_type"]),
        types.of_attribute(attribute, specialization), flag(attribute["list"]), flag(attribute["cardinality"] == "1"),
        flag(attribute["access"] == "RO"), PRESENCE[attribute["create"]], PRESENCE[attribute["update"]],
        flag(attribute["release"] != "3"))


def write_types(out, folder, types, kinds):
    numbers = {record["name"]: ty for ty, _, record, _, _ in kinds}
    attributes, children, rows, roots = [], [], [], []
    for position, (ty, specialization, record, own, below) in enumerate(kinds):
        own = sorted(own, key=lambda attribute: attribute["short_name"] or "*")
        shorts = [attribute["short_name"] for attribute in own]
        assert len(shorts) == len(set(shorts)), record["name"]
        below = sorted({numbers[child] for child in below if child in numbers})
        rows.append("{%d, %s, %s, %s, gh_tab_attrs + %d, %d, gh_tab_children + %d, %d, %s}" % (
            ty, text(record["name"]), text(record["short_name"]), text(record["root_tag"]),
            len(attributes), len(own), len(children), len(below), flag(record["in_cse_only"])))
        attributes += [attribute_row(types, attribute, specialization if ty == 13 else 0) for attribute in own]
        children += below
        roots.append((record["root_tag"], position))
        roots += [(alias, position) for alias, name in ROOT_ALIASES.items() if name == record["name"]]
    roots.sort()
    assert len(roots) == len({root for root, _ in roots})
    types.write(out)
    array(out, "gh_attr_def", "gh_tab_attrs", attributes)
    array(out, "uint32_t", "gh_tab_children", [str(child) for child in children])
    array(out, "gh_type_def", "gh_tab_types", rows)
    array(out, "gh_root_def", "gh_tab_roots", ["{%s, %d}" % (text(root), position) for root, position in roots])


def write_codes(out, codes):
    rows = ["{%d, %s, %d, %s}" % (code["rsc"], text(code["name"]), code["http_status"],
                                  -1 if code["coap_code_byte"] is None else code["coap_code_byte"])
            for code in codes]
    array(out, "gh_rsc_def", "gh_tab_rscs", rows)


def screaming(name):
    return re.sub(r"[^A-Z0-9]", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).upper())


def constants(codes, kinds):
    names = [screaming(code["name"]) for code in codes]
    out = ["/* Generated by tools/gen_tables.py from data/. Do not edit. */", "#ifndef GH_M2M_CONSTANTS_H",
           "#define GH_M2M_CONSTANTS_H", "", "/* Response status codes. */", "enum {"]
    for code, name in zip(codes, names):
        unique = name if names.count(name) == 1 else "%s_%d" % (name, code["rsc"])
        out.append("  GH_RSC_%s = %d," % (unique, code["rsc"]))
    out += ["};", "", "/* Resource types. */", "enum {"]
    out += ["  GH_TY_%s = %d," % (screaming(record["name"]), ty) for ty, special, record, _, _ in kinds if not special]
    out += ["};", "", "#endif", ""]
    return "\n".join(out)


def write_file(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: gen_tables.py DATA_DIR OUTPUT_DIR")
    folder, target = sys.argv[1:]
    sec = load(folder, "sec.json")
    kinds = resource_types(folder)
    enums = Enums(load(folder, "enums.json")["enums"] + sec["enums"],
                  [(ty, record["name"]) for ty, _, record, _, _ in kinds if ty >= 40000])
    types = Types(enums, load(folder, "complex_types.json")["complex_types"] + sec["complex_types"])
    codes = sorted(load(folder, "response_codes.json")["response_codes"], key=lambda code: code["rsc"])
    out = ["/* Generated by tools/gen_tables.py from data/. Do not edit. */", '#include "m2m/tables_private.h"', ""]
    enums.write(out)
    write_types(out, folder, types, kinds)
    write_codes(out, codes)
    write_file(os.path.join(target, "tables_data.c"), "\n".join(out))
    write_file(os.path.join(target, "constants.h"), constants(codes, kinds))


if __name__ == "__main__":
    main()
