/* The forms of names that certificates carry (TS-0003 10.1.1): DNS names, AE-ID URIs, hardware
 * identifiers. Pure text; what a name means is decided elsewhere. */
#ifndef GH_CRYPTO_CERT_NAMES_H
#define GH_CRYPTO_CERT_NAMES_H

#include "base/arena.h"
#include "base/buf.h"

#define GH_AE_URI_SCHEME "m2m:"

enum { GH_CERT_NAME_MAX_BYTES = 512 };

/* Labels of letters, digits and inner hyphens, 1..63 each, at most 253 octets; so never a wildcard. */
bool gh_cert_dns_valid(gh_str name);
/* "//fqdn/Sxx" or "//fqdn/cse/Cxx"; stems of RFC 3986 unreserved characters. */
bool gh_cert_ae_id_valid(gh_str name);
/* Splits at the first ':' when a URI scheme stands before it. */
bool gh_cert_uri_split(gh_str uri, gh_str *scheme, gh_str *rest);
/* The name with its host part ("//host/..", or all of a DNS name) in lower case. */
gh_str gh_cert_lower_host(gh_arena *arena, gh_str name);

/* Device names: a dotted OID, whose first four arcs are the M2M Device Indication ID unless a '/' says where it ends
 * ("0.2.481.1/100.3030.10011"). GH_EINVAL when it is not of that form. */
GH_MUST_USE gh_err gh_cert_device_split(gh_str name, gh_str *indication, gh_str *arcs);
/* Dotted arcs <-> content octets of an ASN.1 RELATIVE-OID. GH_ESYNTAX. */
GH_MUST_USE gh_err gh_cert_arcs_encode(gh_str dotted, gh_buf *out);
GH_MUST_USE gh_err gh_cert_arcs_decode(gh_str octets, gh_buf *out);

#endif
