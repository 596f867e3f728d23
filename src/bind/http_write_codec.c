/* Primitives -> HTTP messages (TS-0009 6.2 to 6.5). A value from a primitive never ends a header line. */
#include "bind/http_codec.h"
#include "bind/http_uri_codec.h"

#include "m2m/json.h"
#include "m2m/tables.h"

static bool header_safe(gh_str value)
{
  for (size_t i = 0; i < value.len; i++)
    if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e) return false;
  return true;
}

/* Empty and unsafe values are left out; who must know of the latter asks header_safe before. */
static void write_header(gh_buf *out, gh_str name, gh_str value)
{
  if (gh_str_empty(value) || !header_safe(value)) return;
  gh_buf_add(out, name);
  gh_buf_add(out, value);
  gh_buf_add(out, GH_STR("\r\n"));
}

static void write_number(gh_buf *out, gh_str name, uint64_t number)
{
  gh_buf_add(out, name);
  gh_buf_add_u64(out, number);
  gh_buf_add(out, GH_STR("\r\n"));
}

static void write_status_line(gh_buf *out, int status) /*= TS-0009 6.3.1; 6.3.3 */
{
  gh_buf_add(out, GH_STR("HTTP/1.1 "));
  gh_buf_add_u64(out, (uint64_t)status);
  gh_buf_add(out, GH_STR(" \r\n"));
}

/* Content-Length, the empty line and the body. */ /*= TS-0009 6.4.5 */
static void write_body(gh_buf *out, gh_str body)
{
  write_number(out, GH_STR("Content-Length: "), body.len);
  gh_buf_add(out, GH_STR("\r\n"));
  gh_buf_add(out, body);
}

static void write_content(gh_buf *out, const gh_val *pc, gh_str ready)
{
  if (!pc || !gh_str_empty(ready)) {
    write_body(out, ready);
    return;
  }
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, pc);
  write_body(out, gh_buf_str(&text));
  gh_buf_wipe_free(&text); /* keys travel in Content */
}

static gh_str first_of(gh_str a, gh_str b)
{
  return gh_str_empty(a) ? b : a;
}

/*= TS-0009 6.3.2; 6.4.17; 6.4.8; 6.4.22; 6.4.4 */
void gh_http_write_response(gh_buf *out, const gh_request *request, const gh_response *response, bool keep_alive)
{
  gh_str rqi = request ? request->rqi : GH_STR_NONE, rvi = request ? request->rvi : GH_STR_NONE;
  gh_buf_reserve(out, 320 + response->body.len);
  write_status_line(out, gh_rsc_find(response->rsc)->http_status);
  write_number(out, GH_STR("X-M2M-RSC: "), (uint64_t)response->rsc);
  write_header(out, GH_STR("X-M2M-RI: "), first_of(response->rqi, rqi));
  write_header(out, GH_STR("X-M2M-RVI: "), first_of(response->rvi, rvi));
  if (!gh_str_empty(response->location)) {
    gh_buf_add(out, GH_STR("Content-Location: "));
    gh_http_write_path(out, response->location);
    gh_buf_add(out, GH_STR("\r\n"));
  }
  if (response->pc || !gh_str_empty(response->body)) gh_buf_add(out, GH_STR("Content-Type: application/json\r\n"));
  if (!keep_alive) gh_buf_add(out, GH_STR("Connection: close\r\n"));
  write_content(out, response->pc, response->body);
}

void gh_http_write_plain(gh_buf *out, int status, int rsc, gh_str text)
{
  gh_buf body = GH_BUF_INIT;
  gh_buf_add(&body, GH_STR("{\"m2m:dbg\":"));
  gh_json_write_string(&body, text);
  gh_buf_add_char(&body, '}');
  write_status_line(out, status);
  write_number(out, GH_STR("X-M2M-RSC: "), (uint64_t)rsc);
  gh_buf_add(out, GH_STR("Content-Type: application/json\r\nConnection: close\r\n"));
  write_body(out, gh_buf_str(&body));
  gh_buf_free(&body);
}

/*= TS-0009 6.2.1 */
static gh_str method_of(gh_op op)
{
  switch (op) {
  case GH_OP_CREATE:
  case GH_OP_NOTIFY: return GH_STR("POST ");
  case GH_OP_RETRIEVE: return GH_STR("GET ");
  case GH_OP_UPDATE: return GH_STR("PUT ");
  case GH_OP_DELETE: return GH_STR("DELETE ");
  }
  return GH_STR_NONE;
}

static bool writable(const gh_request *r, gh_str host)
{
  const gh_str values[] = {host, r->from, r->rqi, r->rvi, r->ot, r->rqet, r->rset, r->gid, r->vsi};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
    if (!header_safe(values[i])) return false;
  return !gh_str_empty(host) && !gh_str_empty(r->to) && !gh_str_empty(r->rqi) && !gh_str_empty(method_of(r->op));
}

/*= TS-0009 6.4.3 */
static void write_type(gh_buf *out, const gh_request *r)
{
  if (!r->pc && !r->has_ty) return;
  gh_buf_add(out, GH_STR("Content-Type: application/json"));
  if (r->has_ty) {
    gh_buf_add(out, GH_STR(";ty="));
    gh_buf_add_u64(out, r->ty);
  }
  gh_buf_add(out, GH_STR("\r\n"));
}

static void write_head(gh_buf *out, const gh_request *r, gh_str host)
{
  size_t hash = gh_str_find(r->to, '#');
  gh_buf_add(out, method_of(r->op));
  gh_http_write_path(out, r->to);
  gh_http_write_query(out, r, hash == SIZE_MAX ? GH_STR_NONE : gh_str_sub(r->to, hash + 1, r->to.len));
  gh_buf_add(out, GH_STR(" HTTP/1.1\r\n"));
  write_header(out, GH_STR("Host: "), host); /*= TS-0009 6.4.1 */
  write_header(out, GH_STR("X-M2M-Origin: "), r->from);
  write_header(out, GH_STR("X-M2M-RI: "), r->rqi);
  write_header(out, GH_STR("X-M2M-RVI: "), r->rvi);
  write_header(out, GH_STR("X-M2M-OT: "), r->ot);
  write_header(out, GH_STR("X-M2M-RET: "), r->rqet);
  write_header(out, GH_STR("X-M2M-RST: "), r->rset);
  write_header(out, GH_STR("X-M2M-GID: "), r->gid);
  write_header(out, GH_STR("X-M2M-VSI: "), r->vsi);
  gh_buf_add(out, GH_STR("Accept: application/json\r\n"));
}

gh_err gh_http_write_request(gh_buf *out, const gh_request *request, gh_str host)
{
  GH_REQUIRE(writable(request, host), GH_EINVAL);
  write_head(out, request, host);
  write_type(out, request);
  if (request->pc)
    write_content(out, request->pc, GH_STR_NONE);
  else if (request->op == GH_OP_RETRIEVE || request->op == GH_OP_DELETE)
    gh_buf_add(out, GH_STR("\r\n"));
  else
    write_body(out, GH_STR_NONE);
  return GH_OK;
}
