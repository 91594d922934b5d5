// Package credential makes and checks passwords and tokens. Only hashes ever leave it towards storage.
package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon2id parameters after RFC 9106's second recommendation, with memory lowered to 19 MiB and two passes as OWASP
// lists it, so that a burst of sign-ins stays within a small machine.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
)

// HashPassword returns an encoded argon2id hash with its own random salt.
func HashPassword(password string) string {
	salt := random(16)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// VerifyPassword reports whether the password made the encoded hash. A malformed hash verifies nothing, in the same time.
func VerifyPassword(encoded, password string) bool {
	var (
		memory, passes uint32
		threads        uint8
	)
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		argon2.IDKey([]byte(password), make([]byte, 16), argonTime, argonMemory, argonThreads, argonKey)
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(want) == 0 || memory > 1<<20 || passes > 16 || passes == 0 || threads == 0 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// NewPassword returns a random password of about 118 bits that a person can copy: six groups of four letters and digits.
func NewPassword() string {
	const alphabet = "abcdefghjkmnpqrstuvwxyz23456789" // 31 that do not look alike
	var b strings.Builder
	for i, r := range random(24) {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(r)%len(alphabet)])
	}
	return b.String()
}

// NewToken returns a random token of 256 bits with a prefix that secret scanners can find, and its hash for storage.
func NewToken(prefix string) (token, hash string) {
	token = prefix + base64.RawURLEncoding.EncodeToString(random(32))
	return token, HashToken(token)
}

// HashToken returns the hex SHA-256 of a token. A token has 256 random bits, so a fast hash is enough.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}
