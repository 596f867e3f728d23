/* Preloaded into h2load, which cannot be told of a client certificate: every TLS context that it makes gets the one
 * that BENCH_CERT and BENCH_KEY name (PEM files). */
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef SSL_CTX *new_context(const SSL_METHOD *method);

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method)
{
  new_context *original = NULL;
  const char *cert = getenv("BENCH_CERT"), *key = getenv("BENCH_KEY");
  void *symbol = dlsym(RTLD_NEXT, "SSL_CTX_new");
  memcpy(&original, &symbol, sizeof original); /* ISO C has no other way from object to function */
  SSL_CTX *ctx = original ? original(method) : NULL;
  bool usable = ctx && cert && key && SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
                SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1;
  return usable ? ctx : NULL;
}
