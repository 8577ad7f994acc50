/*
   Two rules that are always there, so that a scan can be tried without any malware.
   Both hold their text as bytes: this file is no hit of its own rules.
*/

rule EICAR_test_file
{
    meta:
        description = "The test file that every scanner finds: harmless"
        author = "Sakimori"
        license = "Apache-2.0"
        family = "EICAR"
        reference = "EICAR, Anti-Malware Testfile: 68 bytes at the start, then white space up to 128"
    strings:
        $test = { 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24
                  45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55 53 2D 54 45 53
                  54 2D 46 49 4C 45 21 24 48 2B 48 2A }
    condition:
        uint16(0) == 0x3558 and $test at 0 and filesize <= 128 and
        (filesize == 68 or for all i in (68..filesize - 1) : (
            uint8(i) == 0x20 or uint8(i) == 0x09 or uint8(i) == 0x0A or uint8(i) == 0x0D or
            uint8(i) == 0x1A))
}

rule SakimoriTest_marker
{
    meta:
        description = "The marker of a harmless family made up to try scanning, cleaning and guarding"
        author = "Sakimori"
        license = "Apache-2.0"
        family = "SakimoriTest"
    strings:
        $marker = { 53 41 4B 49 4D 4F 52 49 2D 54 45 53 54 2D 46 41 4D 49 4C 59 2D 37 63 31 66 32 65
                    39 30 2D 68 61 72 6D 6C 65 73 73 }
    condition:
        $marker
}
