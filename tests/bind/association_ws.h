/* Primitives over WebSocket for the client of the matrix: the opening handshake as text, and frames by hand
 * (RFC 6455 5.2), because both ends of our own stream would agree on a mistake. */
#ifndef GH_TEST_ASSOCIATION_WS_H
#define GH_TEST_ASSOCIATION_WS_H

#include "server_fixture.h"

#include "m2m/representation.h"

enum { WS_TEXT = 0x81, WS_BINARY = 0x82 }; /* whole messages */

/* The key and the answer to it of RFC 6455 1.3. */
static inline void ws_upgrade(talk *t, gh_representation representation)
{
  http_answer a = {0};
  gh_str name = gh_representation_name(representation);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str text = gh_arena_fmt(&arena,
                             "GET / HTTP/1.1\r\nHost: in-cse.sp.example.com\r\nUpgrade: websocket\r\nConnection: "
                             "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: oneM2M.%.*s\r\n\r\n",
                             GH_STR_ARG(name));
  send_text(t->p, text.ptr, text.len);
  if (!read_answer(t, &a) || a.status != 101) fail_msg("no WebSocket: %d", a.status);
  const char *head = t->in.ptr;
  assert_non_null(memmem(head, t->in.pos, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28));
  assert_non_null(memmem(head, t->in.pos, gh_arena_fmt(&arena, "oneM2M.%.*s\r\n", GH_STR_ARG(name)).ptr, 13));
  gh_arena_free(&arena);
}

/* Masked, as a client must, with a mask of zeros. */
static inline void ws_write_frame(talk *t, int opcode, gh_str octets)
{
  gh_buf out = GH_BUF_INIT;
  const char size[] = {(char)(octets.len >> 8), (char)octets.len}, mask[4] = {0};
  bool is_short = octets.len < 126;
  const char head[] = {(char)opcode, (char)(0x80 | (is_short ? octets.len : 126))};
  assert_in_range(octets.len, 1, 65535);
  gh_buf_add(&out, (gh_str){head, sizeof head});
  if (!is_short) gh_buf_add(&out, (gh_str){size, sizeof size});
  gh_buf_add(&out, (gh_str){mask, sizeof mask});
  gh_buf_add(&out, octets);
  send_text(t->p, out.ptr, out.len);
  gh_buf_free(&out);
}

static inline bool ws_whole(gh_str in, size_t *head, size_t *size)
{
  const unsigned char *o = (const unsigned char *)in.ptr;
  if (in.len < 4) return false;
  assert_true((o[1] & 0x80) == 0 && o[1] != 127); /* not masked, and not that long */
  *head = o[1] == 126 ? 4 : 2;
  *size = o[1] == 126 ? (size_t)o[2] << 8 | o[3] : o[1];
  return in.len >= *head + *size;
}

/* The next message; it borrows until the next call. */
static inline gh_str ws_read_frame(talk *t, int *opcode)
{
  size_t head = 0, size = 0, got = 0;
  gh_str rest = gh_buf_rest(&t->in);
  while (!ws_whole(rest, &head, &size)) {
    if (t->in.pos == t->in.len) gh_buf_clear(&t->in);
    char *into = gh_buf_reserve(&t->in, 65536);
    if (SSL_read_ex(t->p->ssl, into, 65536, &got) != 1) fail_msg("the association ended");
    gh_buf_added(&t->in, got);
    rest = gh_buf_rest(&t->in);
  }
  *opcode = (unsigned char)rest.ptr[0];
  t->in.pos += head + size;
  return gh_str_sub(rest, head, size);
}

/* Sends a request primitive, and gives the code of its response. */
static inline int ws_ask_primitive(talk *t, gh_representation representation, gh_arena *arena, const gh_val *request)
{
  int opcode = 0, wanted = representation == GH_REP_JSON ? WS_TEXT : WS_BINARY;
  gh_buf octets = GH_BUF_INIT;
  gh_val *response = NULL;
  int64_t rsc = 0;
  gh_diag diag = {""};
  gh_representation_encode(representation, &octets, request);
  ws_write_frame(t, wanted, gh_buf_str(&octets));
  gh_buf_free(&octets);
  gh_str came = ws_read_frame(t, &opcode);
  assert_int_equal(opcode, wanted);
  if (gh_representation_decode(representation, arena, came, &response, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_true(gh_val_get_int(response, GH_STR("rsc"), &rsc));
  return (int)rsc;
}

#endif
