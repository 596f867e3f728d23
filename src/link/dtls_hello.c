#include "link/dtls_hello.h"

enum {
  RECORD_HANDSHAKE = 22,
  CLIENT_HELLO = 1,
  HELLO_VERIFY_REQUEST = 3,
  DTLS_MAJOR = 0xfe,
  DTLS_1_0_MINOR = 0xff,
  AT_VERSION = 1,
  AT_SEQUENCE = 5, /* behind the epoch */
  AT_LENGTH = 11,
  RECORD_HEAD = 13,
  MESSAGE_HEAD = 12, /* type, length 3, number 2, where the fragment begins 3, its length 3 */
  VERSION_AND_RANDOM = 2 + 32
};

static size_t number(const uint8_t *at, size_t octets)
{
  size_t value = 0;
  while (octets--) value = value << 8 | *at++;
  return value;
}

static void put_number(uint8_t *at, size_t octets, size_t value)
{
  for (; octets; value >>= 8) at[--octets] = (uint8_t)value;
}

/* Takes a vector of at most 255 octets from the beginning. */
static bool take_vector(gh_str *rest, gh_str *out)
{
  if (!rest->len) return false;
  size_t len = (uint8_t)rest->ptr[0];
  *out = gh_str_sub(*rest, 1, len);
  *rest = gh_str_sub(*rest, 1 + out->len, SIZE_MAX);
  return out->len == len;
}

/* Of a hello in fragments the first must reach beyond the cookie; the others are for whoever has returned it. */
/*= RFC 6347 4.2.2; RFC 6347 4.2.3 the fields of a ClientHello, or of its first fragment, in its record */
gh_err gh_dtls_hello_read(gh_str datagram, gh_str *cookie)
{
  const uint8_t *o = (const uint8_t *)datagram.ptr;
  GH_REQUIRE(datagram.len > RECORD_HEAD + MESSAGE_HEAD + VERSION_AND_RANDOM, GH_ESYNTAX);
  bool record = o[0] == RECORD_HANDSHAKE && o[AT_VERSION] == DTLS_MAJOR && number(o + 3, 2) == 0;
  size_t len = number(o + AT_LENGTH, 2);
  GH_REQUIRE(record && len >= MESSAGE_HEAD && len <= datagram.len - RECORD_HEAD, GH_ESYNTAX);
  const uint8_t *m = o + RECORD_HEAD;
  size_t here = number(m + 9, 3);
  bool first = number(m + 6, 3) == 0 && here <= number(m + 1, 3) && here <= len - MESSAGE_HEAD;
  GH_REQUIRE(m[0] == CLIENT_HELLO && first && here > VERSION_AND_RANDOM, GH_ESYNTAX);
  gh_str rest = gh_str_sub(datagram, RECORD_HEAD + MESSAGE_HEAD + VERSION_AND_RANDOM, here - VERSION_AND_RANDOM),
         session;
  GH_REQUIRE(m[MESSAGE_HEAD] == DTLS_MAJOR && take_vector(&rest, &session) && take_vector(&rest, cookie), GH_ESYNTAX);
  return GH_OK;
}

/*= RFC 6347 4.2.1 the number of its record is that of the hello's, its version is that of DTLS 1.0 */
void gh_dtls_verify_request(gh_str hello, const uint8_t cookie[static GH_DTLS_COOKIE_BYTES],
                            uint8_t out[static GH_DTLS_VERIFY_BYTES])
{
  enum { BODY = 3 + GH_DTLS_COOKIE_BYTES };
  uint8_t *m = out + RECORD_HEAD, *body = m + MESSAGE_HEAD;
  memset(out, 0, GH_DTLS_VERIFY_BYTES);
  out[0] = RECORD_HANDSHAKE;
  out[AT_VERSION] = DTLS_MAJOR;
  out[AT_VERSION + 1] = DTLS_1_0_MINOR;
  memcpy(out + AT_SEQUENCE, hello.ptr + AT_SEQUENCE, AT_LENGTH - AT_SEQUENCE);
  put_number(out + AT_LENGTH, 2, MESSAGE_HEAD + BODY);
  m[0] = HELLO_VERIFY_REQUEST;
  put_number(m + 1, 3, BODY);
  put_number(m + 9, 3, BODY);
  body[0] = DTLS_MAJOR;
  body[1] = DTLS_1_0_MINOR;
  body[2] = GH_DTLS_COOKIE_BYTES;
  memcpy(body + 3, cookie, GH_DTLS_COOKIE_BYTES);
}
