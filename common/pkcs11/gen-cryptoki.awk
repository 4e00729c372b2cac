# Writes common/cryptoki.h from the tables beside this file:
#   awk -f gen-cryptoki.awk constants.tsv structs.tsv functions.tsv > ../cryptoki.h
# A test runs it again and compares, so edit the tables, never the header.
BEGIN {
	FS = "\t"
	print "/*"
	print " * Cryptoki (PKCS #11) types and constants, versions 2.40 to 3.2."
	print " * Written by common/pkcs11/gen-cryptoki.awk from the tables beside it; do not edit."
	print " * The names and values are those of the OASIS PKCS #11 specifications, which decide."
	print " */"
	print "#ifndef MULTIP11_CRYPTOKI_H"
	print "#define MULTIP11_CRYPTOKI_H\n"
	print "#define CRYPTOKI_VERSION_MAJOR 3"
	print "#define CRYPTOKI_VERSION_MINOR 2\n"
	print "typedef unsigned char CK_BYTE;"
	print "typedef CK_BYTE CK_CHAR, CK_UTF8CHAR, CK_BBOOL;"
	print "typedef unsigned long CK_ULONG;"
	print "typedef long CK_LONG;"
	print "typedef CK_ULONG CK_FLAGS, CK_RV;"
	print "typedef void *CK_VOID_PTR;"
	print "typedef CK_VOID_PTR *CK_VOID_PTR_PTR;"
	print "#define CK_PTR *"
	print "#ifndef NULL_PTR\n#define NULL_PTR 0\n#endif\n"
	n = split("SLOT_ID SESSION_HANDLE OBJECT_HANDLE OBJECT_CLASS USER_TYPE STATE NOTIFICATION " \
	    "HW_FEATURE_TYPE KEY_TYPE CERTIFICATE_TYPE CERTIFICATE_CATEGORY ATTRIBUTE_TYPE " \
	    "MECHANISM_TYPE PROFILE_ID JAVA_MIDP_SECURITY_DOMAIN VALIDATION_TYPE " \
	    "VALIDATION_AUTHORITY_TYPE SESSION_VALIDATION_FLAGS_TYPE TRUST HSS_LEVELS HSS_LMS_TYPE " \
	    "HSS_LMOTS_TYPE RSA_PKCS_MGF_TYPE RSA_PKCS_OAEP_SOURCE_TYPE EC_KDF_TYPE " \
	    "X9_42_DH_KDF_TYPE RC2_PARAMS MAC_GENERAL_PARAMS EXTRACT_PARAMS " \
	    "PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE PKCS5_PBKDF2_SALT_SOURCE_TYPE OTP_PARAM_TYPE " \
	    "GENERATOR_FUNCTION PRF_DATA_TYPE SP800_108_PRF_TYPE SP800_108_DKM_LENGTH_METHOD " \
	    "X3DH_KDF_TYPE X2RATCHET_KDF_TYPE XEDDSA_HASH_TYPE HEDGE_TYPE ML_DSA_PARAMETER_SET_TYPE " \
	    "ML_KEM_PARAMETER_SET_TYPE SLH_DSA_PARAMETER_SET_TYPE XMSS_PARAMETER_SET_TYPE", u, " ")
	for (i = 1; i <= n; i++) print "typedef CK_ULONG CK_" u[i] ";"
	n = split("BYTE CHAR UTF8CHAR BBOOL ULONG LONG FLAGS " \
	    "SLOT_ID SESSION_HANDLE OBJECT_HANDLE MECHANISM_TYPE", p, " ")
	for (i = 1; i <= n; i++) print "typedef CK_" p[i] " *CK_" p[i] "_PTR;"
	print "\ntypedef CK_RV (*CK_NOTIFY)(CK_SESSION_HANDLE, CK_NOTIFICATION, CK_VOID_PTR);"
	print "typedef CK_RV (*CK_CREATEMUTEX)(CK_VOID_PTR_PTR);"
	print "typedef CK_RV (*CK_DESTROYMUTEX)(CK_VOID_PTR);"
	print "typedef CK_RV (*CK_LOCKMUTEX)(CK_VOID_PTR);"
	print "typedef CK_RV (*CK_UNLOCKMUTEX)(CK_VOID_PTR);\n"
}
/^#/ { next }
FILENAME ~ /constants.tsv$/ {
	if ($2 == "CK_UNAVAILABLE_INFORMATION") print "#define CK_UNAVAILABLE_INFORMATION (~(CK_ULONG)0)"
	else if ($2 == "CK_TRUE" || $2 == "CK_FALSE") print "#define " $2 " " ($2 == "CK_TRUE")
	else print "#define " $2 " " $3 "UL"
}
FILENAME ~ /structs.tsv$/ {
	print "\ntypedef struct " $1 " {"
	n = split($3, f, "; ")
	for (i = 1; i <= n; i++) print "\t" f[i] ";"
	print "} " $1 ", *" $1 "_PTR;"
}
FILENAME ~ /functions.tsv$/ {
	if (!once++) {
		print "\ntypedef CK_INTERFACE_PTR *CK_INTERFACE_PTR_PTR;"
		print "typedef struct CK_FUNCTION_LIST CK_FUNCTION_LIST, *CK_FUNCTION_LIST_PTR;"
		print "typedef CK_FUNCTION_LIST_PTR *CK_FUNCTION_LIST_PTR_PTR;"
		print "typedef struct CK_FUNCTION_LIST_3_0 CK_FUNCTION_LIST_3_0, *CK_FUNCTION_LIST_3_0_PTR;"
		print "typedef struct CK_FUNCTION_LIST_3_2 CK_FUNCTION_LIST_3_2, *CK_FUNCTION_LIST_3_2_PTR;"
		print "\n#ifdef __cplusplus\nextern \"C\" {\n#endif"
	}
	name[++nf] = $2; since[nf] = $3
	print "extern CK_RV " $2 "(" $4 ");"
	print "typedef CK_RV (*CK_" $2 ")(" $4 ");"
}
function list(tag, upto,   i) {
	print "\nstruct " tag " {\n\tCK_VERSION version;"
	for (i = 1; i <= nf; i++) if (since[i] + 0 <= upto) print "\tCK_" name[i] " " name[i] ";"
	print "};"
}
END {
	print "#ifdef __cplusplus\n}\n#endif"
	list("CK_FUNCTION_LIST", 2.40)
	list("CK_FUNCTION_LIST_3_0", 3.0)
	list("CK_FUNCTION_LIST_3_2", 3.2)
	print "\n#endif"
}
