/* The opening handshake of WebSocket, both sides (RFC 6455 4; TS-0020 6.2). SHA-1 here proves that the peer speaks
 * WebSocket, nothing else. */
#include "bind/ws_codec.h"

#include <openssl/evp.h>

#include "base/encoding.h"
#include "m2m/json.h"

enum { KEY_BYTES = 16, SHA1_BYTES = 20 };

typedef struct subprotocol {
  gh_str name;
  gh_representation representation;
} subprotocol;

/*= TS-0020 6.2.2.9 the names with R2 are those that Release 2 registered */
static const subprotocol subprotocols[] = {
    {{"oneM2M.json", 11}, GH_REP_JSON},
    {{"oneM2M.cbor", 11}, GH_REP_CBOR},
    {{"oneM2M.R2.0.json", 16}, GH_REP_JSON},
    {{"oneM2M.R2.0.cbor", 16}, GH_REP_CBOR},
};
enum { SUBPROTOCOL_COUNT = sizeof subprotocols / sizeof *subprotocols };

static gh_str trim(gh_str s)
{
  while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s = gh_str_sub(s, 1, s.len);
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

/* The first of the client's names that is offered here: their order is its preference. */ /*=
                                                                                              TS-0020 6.2.2.7; 6.2.3.5
                                                                                            */
static const subprotocol *choose(gh_str list)
{
  gh_str name;
  while (gh_str_split(&list, ',', &name))
    for (size_t i = 0; i < SUBPROTOCOL_COUNT; i++)
      if (gh_str_eq(trim(name), subprotocols[i].name)) return &subprotocols[i];
  return NULL;
}

/*= RFC 6455 4.2.2; TS-0020 6.2.3.4 */
static bool make_accept(gh_str key, char out[static GH_WS_ACCEPT_CHARS + 1])
{
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[GH_WS_KEY_CHARS + sizeof guid];
  unsigned char digest[SHA1_BYTES], nonce[KEY_BYTES];
  size_t len = 0;
  if (key.len != GH_WS_KEY_CHARS || gh_base64_decode(key, nonce, sizeof nonce, &len) != GH_OK || len != KEY_BYTES)
    return false;
  memcpy(text, key.ptr, GH_WS_KEY_CHARS);
  memcpy(text + GH_WS_KEY_CHARS, guid, sizeof guid);
  if (EVP_Digest(text, GH_WS_KEY_CHARS + sizeof guid - 1, digest, NULL, EVP_sha1(), NULL) != 1) return false;
  return EVP_EncodeBlock((unsigned char *)out, digest, SHA1_BYTES) == GH_WS_ACCEPT_CHARS;
}

static bool once(const gh_http_message *m, gh_http_header header)
{
  return gh_http_has(m, header) && !(m->repeated >> (unsigned)header & 1u);
}

/*= TS-0020 6.2.2.1; 6.2.2.5; 6.2.2.6; 6.2.2.7; 6.2.3.1; RFC 6455 4.2.1; 4.4; 10.2 */
int gh_ws_judge_offer(const gh_http_message *m, gh_ws_grant *out, const char **why)
{
  const subprotocol *chosen = choose(m->header[GH_HTTP_WS_PROTOCOL]);
  /* A page would open it with whatever certificate the browser holds, unasked: cross-site hijacking. */
  *why = "WebSocket is not offered to pages";
  if (gh_http_has(m, GH_HTTP_ORIGIN)) return 403;
  *why = "WebSocket is at /";
  if (!gh_str_eq(m->target, GH_STR("/"))) return 404;
  *why = "Sec-WebSocket-Version must be 13";
  if (!once(m, GH_HTTP_WS_VERSION)) return 400;
  if (!gh_str_eq(m->header[GH_HTTP_WS_VERSION], GH_STR("13"))) return 426;
  *why = "Sec-WebSocket-Key must be 16 octets in base64";
  if (!once(m, GH_HTTP_WS_KEY) || !make_accept(m->header[GH_HTTP_WS_KEY], out->accept)) return 400;
  *why = "Sec-WebSocket-Protocol: only oneM2M.json and oneM2M.cbor are offered";
  if (!chosen) return 400;
  out->protocol = chosen->name;
  out->representation = chosen->representation;
  return 101;
}

/*= TS-0020 6.2.3.1; 6.2.3.2; 6.2.3.3; 6.2.3.4; 6.2.3.5; 6.2.3.6 compression is not accepted, so not named */
void gh_ws_write_grant(gh_buf *out, const gh_ws_grant *grant)
{
  gh_buf_add(out, GH_STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"));
  gh_buf_fmt(out, "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %.*s\r\n\r\n", grant->accept,
             GH_STR_ARG(grant->protocol));
}

void gh_ws_write_refusal(gh_buf *out, int status, const char *why)
{
  gh_buf body = GH_BUF_INIT;
  gh_buf_add(&body, GH_STR("{\"m2m:dbg\":"));
  gh_json_write_string(&body, gh_str_of(why));
  gh_buf_add_char(&body, '}');
  gh_buf_fmt(out, "HTTP/1.1 %d \r\n", status);
  if (status == 426) /*= RFC 9110 15.5.22; RFC 6455 4.4 */
    gh_buf_add(out, GH_STR("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
  gh_buf_fmt(out, "Content-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", body.len);
  gh_buf_add(out, gh_buf_str(&body));
  gh_buf_free(&body);
}

gh_err gh_ws_make_key(const gh_random *random, char key[static GH_WS_KEY_CHARS + 1])
{
  unsigned char nonce[KEY_BYTES];
  GH_TRY(gh_random_fill(random, nonce, sizeof nonce));
  EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
  return GH_OK;
}

static const subprotocol *of_representation(gh_representation representation)
{
  return &subprotocols[representation == GH_REP_CBOR];
}

/*= TS-0020 6.2.2.1; 6.2.2.2; 6.2.2.3; 6.2.2.4; 6.2.2.5; 6.2.2.6; 6.2.2.7 */
void gh_ws_write_offer(gh_buf *out, gh_str host, const char *key, gh_representation representation)
{
  gh_buf_fmt(out,
             "GET / HTTP/1.1\r\nHost: %.*s\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %.*s\r\n\r\n",
             GH_STR_ARG(host), key, GH_STR_ARG(of_representation(representation)->name));
}

/*= RFC 6455 4.1; TS-0020 6.2.3.5 */
gh_err gh_ws_check_grant(const gh_http_message *m, const char *key, gh_representation representation, gh_diag *diag)
{
  char accept[GH_WS_ACCEPT_CHARS + 1];
  if (!m->upgrade) return gh_fail(diag, GH_EPROTO, "WebSocket refused with HTTP status %d", m->status);
  if (!make_accept(gh_str_of(key), accept) || !once(m, GH_HTTP_WS_ACCEPT) ||
      !gh_str_eq(m->header[GH_HTTP_WS_ACCEPT], gh_str_of(accept)))
    return gh_fail(diag, GH_EPROTO, "Sec-WebSocket-Accept does not belong to the key");
  if (!once(m, GH_HTTP_WS_PROTOCOL) ||
      !gh_str_eq(m->header[GH_HTTP_WS_PROTOCOL], of_representation(representation)->name))
    return gh_fail(diag, GH_EPROTO, "Sec-WebSocket-Protocol was not offered");
  if (gh_http_has(m, GH_HTTP_WS_EXTENSIONS))
    return gh_fail(diag, GH_EPROTO, "Sec-WebSocket-Extensions was not offered");
  return GH_OK;
}
