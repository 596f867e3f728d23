/* A peer's network address: as text, and as what limits count. */
#ifndef GH_LINK_ADDRESS_H
#define GH_LINK_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

enum { GH_ADDRESS_TEXT_BYTES = 64 };

/* "192.0.2.7:443", "[2001:db8::7]:443" or "unknown". */
void gh_address_text(const struct sockaddr_storage *address, char out[static GH_ADDRESS_TEXT_BYTES]);
/* The same for whoever one subscriber of a network is: an IPv4 address (also one that IPv6 carries), the first 64
 * bits of an IPv6 address. 0: unknown. */
uint64_t gh_address_key(const struct sockaddr_storage *address);
/* The same for the network around it: whoever has a /64 may have many more of them, up to the 65536 of a /48. No such
 * key is one of gh_address_key, but that an IPv4 address is its own network. 0: unknown. */
uint64_t gh_address_network_key(const struct sockaddr_storage *address);

#endif
