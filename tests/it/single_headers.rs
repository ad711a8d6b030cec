//! Headers that may come once only: where there are two, a proxy in front may have judged the other one.

use crate::harness::{Wire, both_stores};
use crate::raw::{Connection, RawAnswer};

async fn send(node: &Wire, head: &str, body: &str) -> RawAnswer {
    let mut connection = Connection::open(&node.base).await.unwrap();
    let length = body.len();
    let request = format!("{head}host: x\r\ncontent-length: {length}\r\n\r\n{body}");
    connection.send(request).await.unwrap();
    connection.answer().await.unwrap()
}

both_stores! {
    async fn two_authorization_headers_open_nothing(world: World) {
        let token = world.node.admin_token().await;
        let good = format!("authorization: Bearer {token}\r\n");
        let other = "authorization: Bearer another\r\n";
        for twice in [format!("{good}{good}"), format!("{good}{other}"), format!("{other}{good}")] {
            let listed = send(&world.node, &format!("GET /api/v2/clients HTTP/1.1\r\n{twice}"), "").await;
            assert_eq!((listed.status, &listed.json()["errorCode"]), (400, &"invalid_request".into()));
            let told = send(&world.node, &format!("GET /userinfo HTTP/1.1\r\n{twice}"), "").await;
            assert_eq!((told.status, &told.json()["error"]), (400, &"invalid_request".into()));
            let form = "content-type: application/x-www-form-urlencoded\r\n";
            let head = format!("POST /oauth/introspect HTTP/1.1\r\n{twice}{form}");
            let seen = send(&world.node, &head, "token=x").await;
            assert_eq!((seen.status, &seen.json()["error"]), (400, &"invalid_request".into()));
        }
        let once = send(&world.node, &format!("GET /api/v2/clients HTTP/1.1\r\n{good}"), "").await;
        assert_eq!(once.status, 200);
    }

    async fn two_content_types_are_none(world: World) {
        let (form, json) = ("content-type: application/x-www-form-urlencoded\r\n", "content-type: application/json\r\n");
        let body = "grant_type=client_credentials";
        let head = format!("POST /oauth/token HTTP/1.1\r\n{form}{json}");
        let answer = send(&world.node, &head, body).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_request".into()));
        let token = world.node.admin_token().await;
        let head = format!("POST /api/v2/clients HTTP/1.1\r\nauthorization: Bearer {token}\r\n{json}{json}");
        let answer = send(&world.node, &head, "{\"name\":\"Shop\"}").await;
        assert_eq!(answer.status, 400);
    }
}
