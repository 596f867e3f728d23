/* Percent-coding and the request target of the HTTP binding (TS-0009 6.2.2); the query's fields are also those of
 * CoAP. Private to the codecs. */
#ifndef GH_BIND_HTTP_URI_CODEC_H
#define GH_BIND_HTTP_URI_CODEC_H

#include "base/buf.h"
#include "m2m/primitive.h"

/* Decodes %xx once and, when `plus_is_blank`, '+'. The result is UTF-8 without control characters.
 * GH_ESYNTAX otherwise; it borrows from `text` when there was nothing to decode. */
GH_MUST_USE gh_err gh_uri_decode(gh_arena *arena, gh_str text, bool plus_is_blank, gh_str *out);

/* Writes `text` with everything but unreserved characters and those of `kept` percent-coded. */
void gh_uri_encode(gh_buf *out, gh_str text, const char *kept);

/* UTF-8 without control characters? */
bool gh_uri_printable(gh_str s);

/* May this be one segment of a resource identifier? It holds nothing that could be decoded or cut again. */
GH_MUST_USE gh_err gh_uri_check_segment(gh_str segment, gh_diag *diag);

/* One "name=value" that is not percent-coded -> parameters of *out. *seen starts at 0 and is kept from item to item.
 */
GH_MUST_USE gh_err gh_query_read_item(gh_arena *arena, gh_str item, uint64_t *seen, gh_request *out, gh_diag *diag);

/* Query component -> parameters of *out. GH_ESYNTAX (4000) with *diag naming the field. */
GH_MUST_USE gh_err gh_http_read_query(gh_arena *arena, gh_str query, gh_request *out, gh_diag *diag);

/* Appends "?a=b&..", or nothing. `attribute` is the part of To behind '#', or empty. */
void gh_http_write_query(gh_buf *out, const gh_request *request, gh_str attribute);

#endif
