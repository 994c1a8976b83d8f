// Sends requests by Go's net/http: client URL CASES COUNT.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type request struct {
	Method string
	Path   string
	Body   *string
	Status int
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	var cases []request
	if err := json.Unmarshal(text, &cases); err != nil {
		panic(err)
	}
	count, _ := strconv.Atoi(os.Args[3])
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	numbers := make(chan int)
	var lock sync.Mutex
	var errors []string
	var workers sync.WaitGroup
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := range numbers {
				one := cases[(number*7+number/len(cases))%len(cases)]
				if err := send(client, os.Args[1], one); err != nil {
					lock.Lock()
					errors = append(errors, fmt.Sprintf("%s %s: %v", one.Method, one.Path, err))
					lock.Unlock()
				}
			}
		}()
	}
	for number := range count {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	for _, one := range errors[:min(10, len(errors))] {
		fmt.Println(one)
	}
	fmt.Printf("%d requests, %d errors\n", count, len(errors))
	if len(errors) > 0 {
		os.Exit(1)
	}
}

func send(client *http.Client, url string, one request) error {
	var body io.Reader
	if one.Body != nil {
		// Not a type that net/http could send a second time by itself.
		body = io.MultiReader(strings.NewReader(*one.Body))
	}
	asked, err := http.NewRequest(one.Method, url+one.Path, body)
	if err != nil {
		return err
	}
	if one.Body != nil {
		asked.Header.Set("Content-Type", "application/json")
		asked.ContentLength = int64(len(*one.Body))
	}
	answer, err := client.Do(asked)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if one.Status != 0 && one.Status != answer.StatusCode {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	if one.Path == "/openapi.json" && one.Method == "GET" && !json.Valid(text) {
		return fmt.Errorf("the answer is cut")
	}
	return nil
}
