/* IPv4 and IPv6 addresses of peers. */
#include "link/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char *put_number(char *at, unsigned number)
{
  char digits[10];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (count) *at++ = digits[--count];
  return at;
}

/* Every connection is named: quicker than the library's general way. */
static void ipv4_text(const struct sockaddr_in *in, char *out)
{
  const uint8_t *octets = (const uint8_t *)&in->sin_addr;
  for (int i = 0; i < 4; i++) {
    out = put_number(out, octets[i]);
    *out++ = i < 3 ? '.' : ':';
  }
  *put_number(out, ntohs(in->sin_port)) = '\0';
}

void gh_address_text(const struct sockaddr_storage *address, char out[static GH_ADDRESS_TEXT_BYTES])
{
  char host[INET6_ADDRSTRLEN] = "?";
  if (address->ss_family == AF_INET) {
    ipv4_text((const struct sockaddr_in *)address, out);
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    snprintf(out, GH_ADDRESS_TEXT_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
  } else {
    snprintf(out, GH_ADDRESS_TEXT_BYTES, "unknown");
  }
}

/* ffff::/16 is multicast: no peer's address begins so. */
static uint64_t key_of_ipv4(const void *octets)
{
  uint32_t address;
  memcpy(&address, octets, sizeof address);
  return UINT64_C(0xffff000000000000) | ntohl(address);
}

uint64_t gh_address_key(const struct sockaddr_storage *address)
{
  if (address->ss_family == AF_INET) return key_of_ipv4(&((const struct sockaddr_in *)address)->sin_addr);
  if (address->ss_family != AF_INET6) return 0;
  const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(in6)) return key_of_ipv4(in6->s6_addr + 12);
  uint64_t key = 0;
  for (int i = 0; i < 8; i++) key = key << 8 | in6->s6_addr[i];
  return key;
}

/* ff00::/8 is multicast: no address begins like this, either. */
uint64_t gh_address_network_key(const struct sockaddr_storage *address)
{
  uint64_t key = gh_address_key(address);
  bool whole = key == 0 || key >> 48 == 0xffff;
  return whole ? key : UINT64_C(0xfffe000000000000) | key >> 16;
}
