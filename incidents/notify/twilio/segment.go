package twilio

import (
	"strings"
	"unicode/utf16"
)

// What two segments hold: a segment of several has room for a header beside 153 characters of the GSM alphabet, or 67
// UTF-16 units where a character is not in it.
const (
	maxGSM  = 2 * 153
	maxUTF  = 2 * 67
	gsmText = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡" +
		"ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtra = "^{}\\[~]|€" // cost two characters
)

// fit cuts the middle so that the whole takes two segments: what a message costs, and what a carrier delivers in one
// piece, is bounded. Head and tail are short and stay.
func fit(head, middle, tail string) string {
	whole := head + middle + tail
	if fits(whole) {
		return whole
	}
	runes := []rune(middle)
	for len(runes) > 0 {
		runes = runes[:len(runes)-1]
		if cut := head + strings.TrimRight(string(runes), " ") + "..." + tail; fits(cut) {
			return cut
		}
	}
	return clip(head + tail)
}

// clip is for heads and tails that are too long by themselves, which only strange names make them.
func clip(s string) string {
	runes := []rune(s)
	for !fits(string(runes)) {
		runes = runes[:len(runes)-1]
	}
	return string(runes)
}

func fits(s string) bool {
	septets := 0
	for _, r := range s {
		switch {
		case strings.ContainsRune(gsmText, r):
			septets++
		case strings.ContainsRune(gsmExtra, r):
			septets += 2
		default:
			return len(utf16.Encode([]rune(s))) <= maxUTF
		}
	}
	return septets <= maxGSM
}
