/* The one error type of Gatehouse. A refusal by policy is never an error: it is a decision (authz/)
 * or a response status code (m2m/). An error says that something could not be done at all. */
#ifndef GATEHOUSE_ERROR_H
#define GATEHOUSE_ERROR_H

#define GH_MUST_USE __attribute__((warn_unused_result))
#define GH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define GH_NONNULL __attribute__((nonnull))

typedef enum gh_err {
  GH_OK = 0,
  GH_EINVAL,       /* an argument or a configured value is not acceptable */
  GH_ESYNTAX,      /* bytes from outside do not follow their grammar */
  GH_ERANGE,       /* a number is outside its range */
  GH_ELIMIT,       /* a stated bound was reached (size, depth, count) */
  GH_ENOTFOUND,    /* the thing asked for does not exist */
  GH_EEXIST,       /* the thing to be made exists already */
  GH_EACCES,       /* the operating system or a file mode forbids it */
  GH_EAUTH,        /* the peer or the secret could not be authenticated */
  GH_EEXPIRED,     /* a credential or a record is past its end */
  GH_ETIMEOUT,     /* no answer in the time allowed */
  GH_ECONN,        /* the peer is unreachable or closed the connection */
  GH_EPROTO,       /* the peer broke the protocol */
  GH_EIO,          /* a file or socket failed */
  GH_EAGAIN,       /* not now: the answer comes later */
  GH_EUNSUPPORTED, /* known, but not built or not enabled */
  GH_ECRYPTO,      /* the cryptographic library refused */
  GH_ETAMPER,      /* sealed data does not verify */
  GH_EINTERNAL     /* a promise inside Gatehouse was broken */
} gh_err;

/* Name of an error for logs and messages ("timeout", "not-found"). Never NULL. */
const char *gh_err_name(gh_err err);

/* What went wrong, for the operator: names the offending field, never a secret. */
typedef struct gh_diag {
  char text[320];
} gh_diag;

/* Writes the text (cut to fit) into diag; diag may be NULL. Returns err, so that a guard reads
 * `return gh_fail(diag, GH_ESYNTAX, "...")`. */
gh_err gh_fail(gh_diag *diag, gh_err err, const char *fmt, ...) GH_PRINTF(3, 4);

/* Guards, to be read as a column down the left of a function. */
#define GH_TRY(expr)                                                                                                 \
  do {                                                                                                               \
    gh_err gh_try_err_ = (expr);                                                                                     \
    if (gh_try_err_ != GH_OK) return gh_try_err_;                                                                    \
  } while (0)
#define GH_REQUIRE(cond, err)                                                                                        \
  do {                                                                                                               \
    if (!(cond)) return (err);                                                                                       \
  } while (0)
#define GH_TRY_GOTO(var, expr, label)                                                                                \
  do {                                                                                                               \
    (var) = (expr);                                                                                                  \
    if ((var) != GH_OK) goto label;                                                                                  \
  } while (0)

#endif
