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

/* NULL is plain JSON, as in gh_request. */
static void write_type_name(gh_buf *out, const gh_media_type *type)
{
  gh_buf_add(out, GH_STR("Content-Type: "));
  gh_buf_add(out, type ? type->name : GH_STR("application/json"));
}

static void write_content(gh_buf *out, const gh_val *pc, const gh_media_type *type)
{
  gh_buf octets = GH_BUF_INIT;
  gh_representation_encode(gh_media_representation(type), &octets, pc);
  write_body(out, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets); /* keys travel in Content */
}

static gh_str first_of(gh_str a, gh_str b)
{
  return gh_str_empty(a) ? b : a;
}

/*= TS-0009 6.3.2; 6.4.17; 6.4.8; 6.4.22; 6.4.4; 6.4.3 */
static void write_answer(gh_buf *out, const gh_request *request, const gh_response *response, bool keep_alive,
                         const gh_media_type *type)
{
  gh_str rqi = request ? request->rqi : GH_STR_NONE, rvi = request ? request->rvi : GH_STR_NONE;
  bool ready = !gh_str_empty(response->body);
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
  if (ready || response->pc) {
    write_type_name(out, type);
    gh_buf_add(out, GH_STR("\r\n"));
  }
  if (!keep_alive) gh_buf_add(out, GH_STR("Connection: close\r\n"));
  if (response->pc && !ready)
    write_content(out, response->pc, type);
  else
    write_body(out, response->body);
}

/* A resource is kept as JSON; for another representation it becomes a tree again. Should that fail, the stored text
 * goes out under its own name: what was done stays done. */
static void write_converted(gh_buf *out, const gh_request *request, const gh_response *response, bool keep_alive)
{
  gh_arena arena;
  gh_response open = *response;
  gh_arena_init(&arena);
  bool converted = gh_response_content(&arena, response, &open.pc) == GH_OK;
  if (converted) open.body = GH_STR_NONE;
  write_answer(out, request, &open, keep_alive, converted ? request->accept : NULL);
  gh_arena_free(&arena);
}

void gh_http_write_response(gh_buf *out, const gh_request *request, const gh_response *response, bool keep_alive)
{
  const gh_media_type *type = request ? request->accept : NULL;
  if (gh_media_representation(type) == GH_REP_JSON)
    write_answer(out, request, response, keep_alive, type);
  else
    write_converted(out, request, response, keep_alive);
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
  write_type_name(out, r->content_type);
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
  gh_buf_add(out, GH_STR("Accept: "));
  gh_buf_add(out, r->accept ? r->accept->name : GH_STR("application/json"));
  gh_buf_add(out, GH_STR("\r\n"));
}

gh_err gh_http_write_request(gh_buf *out, const gh_request *request, gh_str host)
{
  GH_REQUIRE(writable(request, host), GH_EINVAL);
  write_head(out, request, host);
  write_type(out, request);
  if (request->pc)
    write_content(out, request->pc, request->content_type);
  else if (request->op == GH_OP_RETRIEVE || request->op == GH_OP_DELETE)
    gh_buf_add(out, GH_STR("\r\n"));
  else
    write_body(out, GH_STR_NONE);
  return GH_OK;
}
