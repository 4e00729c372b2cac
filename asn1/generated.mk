# Compiles what asn1c wrote; run by Makefile.inc in the build directory's asn1/generated.
# Given: CC, AR, RANLIB, FLAGS (the build's own compiler flags), HOOK (asn1c_alloc.h).
#
# It is C that others wrote: warnings off, here alone. ASN_DEBUG costs half of the time and has a
# static buffer; its symbols stay inside of the program. It adds 0 to NULL, which is harmless but what
# clang's UBSan reports.
OBJECTS := $(patsubst %.c,%.o,$(filter-out converter-sample.c pdu_collection.c,$(wildcard *.c)))

libschema.a: $(OBJECTS)
	rm -f $@
	$(AR) cr $@ $(OBJECTS)
	$(RANLIB) $@

%.o: %.c $(HOOK)
	$(CC) $(FLAGS) -w -fno-sanitize=pointer-overflow -fvisibility=hidden -I. -include $(HOOK) -D'ASN_DEBUG(...)=((void)0)' -c -o $@ $<
