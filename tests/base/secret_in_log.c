/* TP-19: compiled, never run. With CASE 0 it must compile; with every other CASE it must not: a secret has no GH_F.
 */
#include "base/log.h"
#include "gatehouse/secret.h"

void log_it(const gh_log *log, const gh_secret *secret, const uint8_t *octets, void *anything);

void log_it(const gh_log *log, const gh_secret *secret, const uint8_t *octets, void *anything)
{
  (void)octets, (void)anything;
#if CASE == 0
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("length", secret->len));
#elif CASE == 1
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("key", *secret));
#elif CASE == 2
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("key", secret));
#elif CASE == 3
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("key", secret->bytes));
#elif CASE == 4
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("key", octets));
#else
  GH_LOG(log, GH_LOG_INFO, "key", GH_F("key", anything));
#endif
}
