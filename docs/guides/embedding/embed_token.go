// An embed token for one viewer. Needs Go alone: go run embed_token.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

func main() {
	claims, err := json.Marshal(map[string]any{
		"sharing_token":    os.Getenv("SHARING_TOKEN"),
		"exp":              time.Now().Unix() + 600,
		"fixed_parameters": map[string]any{"region": []string{"EU", "US"}, "timerange": "last 7 days"},
	})
	if err != nil {
		panic(err)
	}
	encoded := base64.RawURLEncoding.EncodeToString
	signed := encoded([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encoded(claims)
	mac := hmac.New(sha256.New, []byte(os.Getenv("EMBED_SECRET")))
	mac.Write([]byte(signed))
	fmt.Println(signed + "." + encoded(mac.Sum(nil)))
}
