/*
 * Copyright (c) 2026 The multip11 authors
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions
 * are met:
 * 1. Redistributions of source code must retain the above copyright
 *    notice, this list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright
 *    notice, this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 *
 * THIS SOFTWARE IS PROVIDED BY THE AUTHORS ``AS IS'' AND ANY EXPRESS OR
 * IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
 * OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
 * IN NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY DIRECT, INDIRECT,
 * INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
 * NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
 * DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
 * THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
 * (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
 * THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
#include "conform_keys.h"

namespace mp11::conform {
namespace {

constexpr MaterialAttribute k_rsa1024_public[] = {
    {CKA_MODULUS,
     "b98abcc5b3fa369b9e98b10eeb63620ffbdd6c8418914f05e2259b38630a1cf418b185d4a05508c48d242358299ad"
     "a325dd09c863e0779bc3d0fdc4bf1f9fe27022cdac1ce649871d5fdcffebcd6bf8a82201e92fadc853f1b6649c26a"
     "799e3adf7cc759b70cd8182ff19ecdc04fadd14602543fe62ea06c8dc48921fce69bc5"},
    {CKA_PUBLIC_EXPONENT, "010001"},
};
constexpr MaterialAttribute k_rsa1024_private[] = {
    {CKA_MODULUS,
     "b98abcc5b3fa369b9e98b10eeb63620ffbdd6c8418914f05e2259b38630a1cf418b185d4a05508c48d242358299ad"
     "a325dd09c863e0779bc3d0fdc4bf1f9fe27022cdac1ce649871d5fdcffebcd6bf8a82201e92fadc853f1b6649c26a"
     "799e3adf7cc759b70cd8182ff19ecdc04fadd14602543fe62ea06c8dc48921fce69bc5"},
    {CKA_PUBLIC_EXPONENT, "010001"},
    {CKA_PRIVATE_EXPONENT,
     "371dab6ddf44d8abe9b4da03e090a934ae50dc477134d9109a59297eda8cca850840d3cc91c430d2924ac5e50e96d"
     "d7250c4037b2d39f343a3afee74f0f09e3a5e93cfc4b24cda7e87ca93cd6b543193210e1ccc33a9c8ee9e848eb370"
     "6ea34b21cea53d164e3cfdf7effd2bb43d2b9732dc13bc0f56885a308a6f6b11236c91"},
    {CKA_PRIME_1,
     "e5f0d06856a39dc4806fea164e956b58d1bb323c2d018aa74a4148e81a2aafa641506f186fcdee9caedc44dbcd360"
     "70c5dfd07fa91d1de02288fb6a8b190e45b"},
    {CKA_PRIME_2,
     "ce91cc7c78bb9a88b1f4d705bd654b78b744b54a3a140a86776bd69da02dd9c7d5bf4445559d3b4579028f1304140"
     "68c1ea0cca9dbd2d93bf0452e584133fa5f"},
    {CKA_EXPONENT_1,
     "65093cba2c1fb6ca4a5962b5ac90115c34c4199dc174e4f4ff36d28f523821785f48b5983a4075b19950265da2bd3"
     "3b9a66ef19b93897110e7bbc65a37b3dff3"},
    {CKA_EXPONENT_2,
     "66887429ac7be25ecb862e5cc8ffc89068d78fed021b04866e2c76e0d2ab2f98437ea6d28b8679ef27fb9f2cdf2f5"
     "9789f934d435abbb3dc4e8ce84e223f3c9d"},
    {CKA_COEFFICIENT,
     "993fdacd78a7baf39d73a95c1abe41155ab13e27cb8ef007641f0097b12555e75d8eb9407984b9ae268a27ef7b55e"
     "dff798d50c837bd959f0ab94c0cb345058b"},
};
constexpr MaterialAttribute k_rsa2048_public[] = {
    {CKA_MODULUS,
     "ac2798fb6c1b01e765decac11f1e854317d9210ecce5f0935f082eafec0a989d50a1329e15b5fb18a5b6427f88a5a"
     "6bf713320e3715e0c8d4a1a24a3aa1b3461ac7116f911950f3c6bb739fc69ec44cbdd0b8836210271b99283721179"
     "0249f24fb80bb864520e834e039cd51ce98a32e5b8462ec5d03ecb7db03267f5cf263ee345bedd5baa5ed7b0b7102"
     "2bfa05eac6a740de4d869c28aee4529b3e81bb717ccc863c620b2f6bb228489921f04d076278af17392b01da53b20"
     "7fcdcd7a946bf6e2c781a93c696a600c635fb8c8d7aacd461c00dbb2760a7ae3f20fa6eb72c43e63902434dcb80e1"
     "340e257fae8c2e4728741ff07c3367ceb395fc68d141ee3"},
    {CKA_PUBLIC_EXPONENT, "010001"},
};
constexpr MaterialAttribute k_rsa2048_private[] = {
    {CKA_MODULUS,
     "ac2798fb6c1b01e765decac11f1e854317d9210ecce5f0935f082eafec0a989d50a1329e15b5fb18a5b6427f88a5a"
     "6bf713320e3715e0c8d4a1a24a3aa1b3461ac7116f911950f3c6bb739fc69ec44cbdd0b8836210271b99283721179"
     "0249f24fb80bb864520e834e039cd51ce98a32e5b8462ec5d03ecb7db03267f5cf263ee345bedd5baa5ed7b0b7102"
     "2bfa05eac6a740de4d869c28aee4529b3e81bb717ccc863c620b2f6bb228489921f04d076278af17392b01da53b20"
     "7fcdcd7a946bf6e2c781a93c696a600c635fb8c8d7aacd461c00dbb2760a7ae3f20fa6eb72c43e63902434dcb80e1"
     "340e257fae8c2e4728741ff07c3367ceb395fc68d141ee3"},
    {CKA_PUBLIC_EXPONENT, "010001"},
    {CKA_PRIVATE_EXPONENT,
     "0198a31029bcc7b41290bc9bdfcda8f9ff48471ddbae8220365b08111f84d5a217c8f6d9851003e7ad99ac078207d"
     "9d79feabe7252c4717a04918b7cc2560592a646577fdb0c3670f3fabb473e3584f472f49415bf114666ac6cc59653"
     "38948b9cf6483d89c897a930aefde447f9590bb1c4eca455b736edd76e2bcecfa0ffbf6f9d1e9e016cdeb970715ba"
     "facfed8069dd44be59a2b12fb6f8ce0cea870e6404b8c5ce266fb0a8392585f300cc84ce49826924e0f7f85f1412f"
     "bde19c880564624082715135e7c7a8ec164438c24d8da2b4b5d7af864ca7a2082fd4a1d6c35c8c86e53fcad2b0007"
     "bb90d735a088aa8362e8f94e0e0efeb086734d0d48a9511"},
    {CKA_PRIME_1,
     "e9722c928371c150e2290d7e4e3dd35848599a10a27e8a76be6969c8c6b8c54772b5f3f963f24f1587fc762d8c950"
     "c8131cb547b7ffb5602d2601db480474b0e62f3dc85616655cebef1475fb31dfc1d6e8a45dd44e6b1a7392e37070e"
     "86ca373c77f8765ef7773add62a7f57f6ade09348328e1354a0f010fc5e463ebe8b6cb"},
    {CKA_PRIME_2,
     "bcc980f78d90e1a4edacb5ac70e29b00c7b45619d5dcb10da4b3dba3446629e72f86ab4cb956008f79b1fac7ddfac"
     "90e7fdc1189eb8fcd58597246d8f3c31df17539792be42dd9179cb8073a260690ded9765fdf53ad7fe32d906f475d"
     "871e84e8e097cf81ff96460e5291d765356c5533946acd05ce9eb83f0ddc43dda91d49"},
    {CKA_EXPONENT_1,
     "a30f5624ecdd7b6b94dd9a083c7ca0f04c7111d546bb5eda3c7c832073f6420e7b08af26e6f22cdd5c443303f3eb7"
     "47595a3721a65b5d849564b3ed482b9c9aa7de1da89ec13c0220e6b9830377bdd4b6d97f5deedaeba2e95193be498"
     "f7fbad8376453de16db7818d7bc8d8092d4b746092b0ee45fbb9e942ec3670b92aaeeb"},
    {CKA_EXPONENT_2,
     "0e454524716514497d55e2ddc822b908d40fc3ba6c3a24801d85230332766e90753d3ed1abe8de5dfa1b0413fba9a"
     "b6d1729318235764755785d75118d4ba085d210a822333b6bffa6ef1a4cc0f71a185e63de576961e21af024cce49e"
     "234aa14d613cd888c12340e4704569fcd28effd9c84c52772fe93b9038a1ffd74fa351"},
    {CKA_COEFFICIENT,
     "2c3642e85e7981276a5b96725b5476655136727eb212586f0af4d857bfd9431eb13d630021150bba43acde62a7a44"
     "81f9887da8a698cdf605d26ff172fbba7358659bc4347966908fbc5c47bc4e185fb9abf012f6a423b410a345614cd"
     "caa4c486009ad5a911372b9ff93cabc00fad858cb94bd5faa8d8885bdc5ca67e0d89f7"},
};
constexpr MaterialAttribute k_prime256v1_public[] = {
    {CKA_EC_PARAMS, "06082a8648ce3d030107"},
    {CKA_EC_POINT,
     "044104b8d9b57109316484b21be5deed616ee252e74db31eaa50e51322009a6730a147ef9039468c5cfc5d51b6243"
     "afecb4a7ad20fbe0fe520d8648600b8703d79bf87"},
};
constexpr MaterialAttribute k_prime256v1_private[] = {
    {CKA_EC_PARAMS, "06082a8648ce3d030107"},
    {CKA_VALUE, "9f65e308f4d62856285c155fc7fe77fe5f4aade45ff7c62245644154c2aadb87"},
};
constexpr MaterialAttribute k_secp384r1_public[] = {
    {CKA_EC_PARAMS, "06052b81040022"},
    {CKA_EC_POINT,
     "0461044e6ea7ae1a3ee9d9940bc6f579c1e2fac84bf2669bf7d263af9080a1976aab1124e8d9c3dce91cfe9e1aa32"
     "a9ced3921df012dcd354b375884f577d5be29aa89b1349bec6ce41236cb00bcd32c3d9d83e27247529a017f1a3cd5"
     "166440cfc648"},
};
constexpr MaterialAttribute k_secp384r1_private[] = {
    {CKA_EC_PARAMS, "06052b81040022"},
    {CKA_VALUE,
     "4999b11fe495ebe555614bead0b1f3bdefee1ae6260898677ca970d2e264e16094c90327819ee82b85ed74211ed6f"
     "7d0"},
};
constexpr MaterialAttribute k_secp521r1_public[] = {
    {CKA_EC_PARAMS, "06052b81040023"},
    {CKA_EC_POINT,
     "048185040003138e31b11cdfe932977436acf6938cad1337e99ebb41d3a87e142f302b5b4f76c0c208aa299df34b4"
     "c5f308a50f1a96c93de51243d20125b847e3f49e1e964550034da9731933d8bc5b1b08bbc4aa7dbd7c8a962e770d6"
     "c41aa9f8df5bb0aefdbc0556f4334b2fe4d9a0972e60e10803aa3446872b1560fe8b6812c3351d11fad4a3"},
};
constexpr MaterialAttribute k_secp521r1_private[] = {
    {CKA_EC_PARAMS, "06052b81040023"},
    {CKA_VALUE,
     "01cec4580f7e5a9df1dbfad854316eb79278785fb71be54f2d4f4d954f6152b4914d7a4a101e664768e472217fe6a"
     "e92ff24264dbf69b3da37b29ae23ff38ee57caa"},
};
constexpr MaterialAttribute k_ed25519_public[] = {
    {CKA_EC_PARAMS, "06032b6570"},
    {CKA_EC_POINT, "0420028c26c4d6ebb97a5e9ff51a9ae430772df7feb049dacef122406db3ae13b459"},
};
constexpr MaterialAttribute k_ed25519_private[] = {
    {CKA_EC_PARAMS, "06032b6570"},
    {CKA_VALUE, "8f3d35a733790ba273314252038d462adbe04f006262d9a07b992d7a2326743a"},
};
constexpr MaterialAttribute k_x25519_public[] = {
    {CKA_EC_PARAMS, "06032b656e"},
    {CKA_EC_POINT, "04201488b05b4f59564dc992991986b2c44b9c968c28cb98b3a7f8a353f784142163"},
};
constexpr MaterialAttribute k_x25519_private[] = {
    {CKA_EC_PARAMS, "06032b656e"},
    {CKA_VALUE, "301445f8f3b25b994bd3cf0046c35fb094d2d06ff8cad15733be31833df81a6b"},
};
constexpr MaterialAttribute k_dsa1024_public[] = {
    {CKA_PRIME,
     "a165091984194c314a921d4838c77e8fa22a8f2296de72394826848da91d9c3e91e6b6b43c1f7632499a7cabb8dff"
     "c5ff9a8b2c27fc5fb6775ec2ed1dc21a78c5f3725c70b6e691cc5017e00def9bbee9195c9de0b20db5636f17e3f80"
     "7b766f43ce87cc9922f1866ad5c50c0a39eb01cb0ce4de4cb918867c93e28d50c6c4c7"},
    {CKA_SUBPRIME, "c978b12675d3d80aef8dccfdcdfa5b989d359080e456832d92237de9"},
    {CKA_BASE,
     "9c5e310fe870acc2c4d1410bcfd4f4d82e43b74c5c80a9850b8dd68a49a7c10980d53a8d6f71e68360b3e581f9e4e"
     "e564e7500798158699a2e0d169d016b8a9cdd0f6a2e64faa8dbc1927bf491f289f921c6d8668ba12a8b71be48cc53"
     "640522231c1f167ff6690bbf94303843ec35819b17148fd78e4738e0f9267d387d3ebb"},
    {CKA_VALUE,
     "9359e6d15a5c98071ba1399e2a48057e9cb2e5a7d03c0fa640a593490be367d42dc30c2c4b84b1cde104e5e89f109"
     "b599c112e880cf06857153a6326363efb68f5f5eb48038c2b7203d5ed1fd71051bc7f0aa070102e8e7e940230774f"
     "17bc30eb79ae8a2bfc2528c34ad0c9061225a27836aa66afd46b1604362e487177c16f"},
};
constexpr MaterialAttribute k_dsa1024_private[] = {
    {CKA_PRIME,
     "a165091984194c314a921d4838c77e8fa22a8f2296de72394826848da91d9c3e91e6b6b43c1f7632499a7cabb8dff"
     "c5ff9a8b2c27fc5fb6775ec2ed1dc21a78c5f3725c70b6e691cc5017e00def9bbee9195c9de0b20db5636f17e3f80"
     "7b766f43ce87cc9922f1866ad5c50c0a39eb01cb0ce4de4cb918867c93e28d50c6c4c7"},
    {CKA_SUBPRIME, "c978b12675d3d80aef8dccfdcdfa5b989d359080e456832d92237de9"},
    {CKA_BASE,
     "9c5e310fe870acc2c4d1410bcfd4f4d82e43b74c5c80a9850b8dd68a49a7c10980d53a8d6f71e68360b3e581f9e4e"
     "e564e7500798158699a2e0d169d016b8a9cdd0f6a2e64faa8dbc1927bf491f289f921c6d8668ba12a8b71be48cc53"
     "640522231c1f167ff6690bbf94303843ec35819b17148fd78e4738e0f9267d387d3ebb"},
    {CKA_VALUE, "be62a8cdaae439bc7d2b83c3701b335a66d73786d66314412f4fc1ea"},
};
constexpr MaterialAttribute k_dsa1024_domain[] = {
    {CKA_PRIME,
     "a165091984194c314a921d4838c77e8fa22a8f2296de72394826848da91d9c3e91e6b6b43c1f7632499a7cabb8dff"
     "c5ff9a8b2c27fc5fb6775ec2ed1dc21a78c5f3725c70b6e691cc5017e00def9bbee9195c9de0b20db5636f17e3f80"
     "7b766f43ce87cc9922f1866ad5c50c0a39eb01cb0ce4de4cb918867c93e28d50c6c4c7"},
    {CKA_SUBPRIME, "c978b12675d3d80aef8dccfdcdfa5b989d359080e456832d92237de9"},
    {CKA_BASE,
     "9c5e310fe870acc2c4d1410bcfd4f4d82e43b74c5c80a9850b8dd68a49a7c10980d53a8d6f71e68360b3e581f9e4e"
     "e564e7500798158699a2e0d169d016b8a9cdd0f6a2e64faa8dbc1927bf491f289f921c6d8668ba12a8b71be48cc53"
     "640522231c1f167ff6690bbf94303843ec35819b17148fd78e4738e0f9267d387d3ebb"},
};
constexpr MaterialAttribute k_dh512_public[] = {
    {CKA_PRIME,
     "cb086dc0e729658c9b6b2648998f1ba7be4d6f62a57386fa53bfa0dd12b3e8f2ae2a0e9b7f4f06a5b60fc112dcb17"
     "311b0d8a85f2a3a5fe66cf42b261fb299af"},
    {CKA_BASE, "02"},
    {CKA_VALUE,
     "109e5bb679ffebd1fac8c123f4b802d341531b3164c6edc3927cf83a6b9d4d1b1cf666400ea88f8276b864eff2386"
     "83ef1c45b4604b30371a92feebd6570ff4c"},
};
constexpr MaterialAttribute k_dh512_private[] = {
    {CKA_PRIME,
     "cb086dc0e729658c9b6b2648998f1ba7be4d6f62a57386fa53bfa0dd12b3e8f2ae2a0e9b7f4f06a5b60fc112dcb17"
     "311b0d8a85f2a3a5fe66cf42b261fb299af"},
    {CKA_BASE, "02"},
    {CKA_VALUE, "1e2feb89414c343c1027c4d1c386bbc4cd613e30d8f16adf91b7584a2265b1f5"},
};
constexpr MaterialAttribute k_dh512_domain[] = {
    {CKA_PRIME,
     "cb086dc0e729658c9b6b2648998f1ba7be4d6f62a57386fa53bfa0dd12b3e8f2ae2a0e9b7f4f06a5b60fc112dcb17"
     "311b0d8a85f2a3a5fe66cf42b261fb299af"},
    {CKA_BASE, "02"},
};
constexpr MaterialAttribute k_aes_16_secret[] = {
    {CKA_VALUE, "7bd5d47e446fcec2a3d811736110e578"},
};
constexpr MaterialAttribute k_aes_24_secret[] = {
    {CKA_VALUE, "1bcccea696762e6116c6e9c92d99bf358c2e0718822ce47c"},
};
constexpr MaterialAttribute k_aes_32_secret[] = {
    {CKA_VALUE, "a8c74107e66cb0e4b2b3f4d58d82ca6386d2c96e760e819b85c924c3597164c4"},
};
constexpr MaterialAttribute k_des_8_secret[] = {
    {CKA_VALUE, "a7048a01581a23b3"},
};
constexpr MaterialAttribute k_des2_16_secret[] = {
    {CKA_VALUE, "2ce50473433d2f45fed9b6b9347f45cd"},
};
constexpr MaterialAttribute k_des3_24_secret[] = {
    {CKA_VALUE, "3129913bc1d55497a243fdf11f8f2a1a38f2c2e692104351"},
};
constexpr MaterialAttribute k_generic_secret_20_secret[] = {
    {CKA_VALUE, "dcbed407e3e6b605b99e8306dda748a61e029a8a"},
};
constexpr MaterialAttribute k_generic_secret_32_secret[] = {
    {CKA_VALUE, "3f415b024a146cf0d98a98e1cf999661f967bdafdf0e7337420c13f8f5d40f6c"},
};
constexpr MaterialAttribute k_generic_secret_64_secret[] = {
    {CKA_VALUE,
     "e079d1b987376f07bcb81287fdc8c0388fe881c3a0661970ef3f6df0148ded7e8a34888d396cab3b80d27f58df111"
     "a3b3df245ada90802389a78cdc29492a875"},
};
constexpr MaterialAttribute k_sha_1_hmac_20_secret[] = {
    {CKA_VALUE, "f74ac6f3aa202f4ad9892fed75598005bac48a6a"},
};
constexpr MaterialAttribute k_sha256_hmac_32_secret[] = {
    {CKA_VALUE, "9e826bd6f0a890ea47ca738eb48c14ec53676da43f9e9919878d972f9a451da1"},
};
constexpr MaterialAttribute k_sha512_hmac_64_secret[] = {
    {CKA_VALUE,
     "305317feed6740b9bd7425dcb03de04bf0a4f21e0adc3ebef6822b55d46d44e5a833b3b84e0f27f9f7a910b6b6683"
     "480fc91baefae179bf759340f6cf6c1f981"},
};
constexpr MaterialAttribute k_certificate_x509[] = {
    {CKA_SUBJECT, "300c310a300806035504030c0163"},
    {CKA_ISSUER, "300c310a300806035504030c0163"},
    {CKA_SERIAL_NUMBER, "0214407b465ce52d1c3dab371a8bdc0729dd02522107"},
    {CKA_VALUE,
     "3082012c3081dfa0030201020214407b465ce52d1c3dab371a8bdc0729dd02522107300506032b6570300c310a300"
     "806035504030c0163301e170d3236313132333139333334355a170d3336313132303139333334355a300c310a3008"
     "06035504030c0163302a300506032b657003210052a25b8f91a4a3a0e786e6406e0371383692b3111269de9bb246e"
     "cbb2f7be599a3533051301d0603551d0e04160414745f57ac879b076219ad09be65c778ee1e882a57301f0603551d"
     "23041830168014745f57ac879b076219ad09be65c778ee1e882a57300f0603551d130101ff040530030101ff30050"
     "6032b6570034100f11b74441dbd7aa87ef4e187c58e9375425a0e56c788e7d31b755fac0a6b5937d8a266006a7f54"
     "4c3d3fd5ecb1bd99e02a9f4bb284304f7606e55463d901c60f"},
};

constexpr Material kMaterials[] = {
    {"rsa1024", CKO_PUBLIC_KEY, CKK_RSA, k_rsa1024_public},
    {"rsa1024", CKO_PRIVATE_KEY, CKK_RSA, k_rsa1024_private},
    {"rsa2048", CKO_PUBLIC_KEY, CKK_RSA, k_rsa2048_public},
    {"rsa2048", CKO_PRIVATE_KEY, CKK_RSA, k_rsa2048_private},
    {"prime256v1", CKO_PUBLIC_KEY, CKK_EC, k_prime256v1_public},
    {"prime256v1", CKO_PRIVATE_KEY, CKK_EC, k_prime256v1_private},
    {"secp384r1", CKO_PUBLIC_KEY, CKK_EC, k_secp384r1_public},
    {"secp384r1", CKO_PRIVATE_KEY, CKK_EC, k_secp384r1_private},
    {"secp521r1", CKO_PUBLIC_KEY, CKK_EC, k_secp521r1_public},
    {"secp521r1", CKO_PRIVATE_KEY, CKK_EC, k_secp521r1_private},
    {"ed25519", CKO_PUBLIC_KEY, CKK_EC_EDWARDS, k_ed25519_public},
    {"ed25519", CKO_PRIVATE_KEY, CKK_EC_EDWARDS, k_ed25519_private},
    {"x25519", CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, k_x25519_public},
    {"x25519", CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, k_x25519_private},
    {"dsa1024", CKO_PUBLIC_KEY, CKK_DSA, k_dsa1024_public},
    {"dsa1024", CKO_PRIVATE_KEY, CKK_DSA, k_dsa1024_private},
    {"dsa1024", CKO_DOMAIN_PARAMETERS, CKK_DSA, k_dsa1024_domain},
    {"dh512", CKO_PUBLIC_KEY, CKK_DH, k_dh512_public},
    {"dh512", CKO_PRIVATE_KEY, CKK_DH, k_dh512_private},
    {"dh512", CKO_DOMAIN_PARAMETERS, CKK_DH, k_dh512_domain},
    {"aes-16", CKO_SECRET_KEY, CKK_AES, k_aes_16_secret},
    {"aes-24", CKO_SECRET_KEY, CKK_AES, k_aes_24_secret},
    {"aes-32", CKO_SECRET_KEY, CKK_AES, k_aes_32_secret},
    {"des-8", CKO_SECRET_KEY, CKK_DES, k_des_8_secret},
    {"des2-16", CKO_SECRET_KEY, CKK_DES2, k_des2_16_secret},
    {"des3-24", CKO_SECRET_KEY, CKK_DES3, k_des3_24_secret},
    {"generic_secret-20", CKO_SECRET_KEY, CKK_GENERIC_SECRET, k_generic_secret_20_secret},
    {"generic_secret-32", CKO_SECRET_KEY, CKK_GENERIC_SECRET, k_generic_secret_32_secret},
    {"generic_secret-64", CKO_SECRET_KEY, CKK_GENERIC_SECRET, k_generic_secret_64_secret},
    {"sha_1_hmac-20", CKO_SECRET_KEY, CKK_SHA_1_HMAC, k_sha_1_hmac_20_secret},
    {"sha256_hmac-32", CKO_SECRET_KEY, CKK_SHA256_HMAC, k_sha256_hmac_32_secret},
    {"sha512_hmac-64", CKO_SECRET_KEY, CKK_SHA512_HMAC, k_sha512_hmac_64_secret},
    {"certificate", CKO_CERTIFICATE, CKC_X_509, k_certificate_x509},
};

}  // namespace

std::span<const Material> materials() { return kMaterials; }

Bytes from_hex(const char* hex) {
  Bytes bytes;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (; hex[0] != 0 && hex[1] != 0; hex += 2)
    bytes.push_back(static_cast<uint8_t>(digit(hex[0]) * 16 + digit(hex[1])));
  return bytes;
}

}  // namespace mp11::conform
