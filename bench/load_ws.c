/* What the load generator says and expects over WebSocket: the opening handshake, one request in one frame. */
#include <stdio.h>
#include <string.h>

#include "load.h"

enum { FINAL = 0x80, TEXT = 1, BINARY = 2, MASKED = 0x80, SHORT_MAX = 125, MASK_BYTES = 4 };

gh_str load_ws_upgrade(void)
{
  return GH_STR("GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Protocol: oneM2M.json\r\n\r\n");
}

/* Masked with zeros, which the server must take off like any other mask. */
gh_str load_ws_request(const char *text, size_t len)
{
  static unsigned char frame[4096];
  size_t at = 0;
  if (len > sizeof frame - 8) return GH_STR_NONE;
  frame[at++] = FINAL | TEXT;
  if (len <= SHORT_MAX) {
    frame[at++] = (unsigned char)(MASKED | len);
  } else {
    frame[at++] = MASKED | (SHORT_MAX + 1);
    frame[at++] = (unsigned char)(len >> 8);
    frame[at++] = (unsigned char)len;
  }
  memset(frame + at, 0, MASK_BYTES);
  memcpy(frame + at + MASK_BYTES, text, len);
  return (gh_str){(const char *)frame, at + MASK_BYTES + len};
}

size_t load_ws_head(const char *octets, size_t len, uint64_t *body)
{
  const unsigned char *o = (const unsigned char *)octets;
  if (len < 2) return 0;
  if ((o[0] != (FINAL | TEXT) && o[0] != (FINAL | BINARY)) || o[1] > SHORT_MAX + 1) return SIZE_MAX;
  if (o[1] <= SHORT_MAX) {
    *body = o[1];
    return 2;
  }
  if (len < 4) return 0;
  *body = (uint64_t)(o[2] << 8 | o[3]);
  return 4;
}
