BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'redeemd','0001_first_till','2026-11-22 03:30:54.985823+00:00');
CREATE TABLE budget (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "budget" VALUES('acme',1,-1,1,3000);
INSERT INTO "budget" VALUES('acme',1,20779,1,3000);
CREATE TABLE bundle (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    root BLOB NOT NULL,
    manifest BLOB
) STRICT;
INSERT INTO "bundle" VALUES(1,X'A264726F6F745891A56565706F636801666973737565641A6B0261EE69726F6F745F6B657973818248D4C7BEE1956C907D5820905120BC2AAB2CA01AB24B8E8705E56B39961B7E708E4E1FB1028C3E96D3E698697468726573686F6C64016D6D616E69666573745F6B657973818248704551F5E2023A2E582006EA0347DD2D549313CCF973CB827632BF999E0B390499D78A57FB0A9DE5E0786A7369676E617475726573818248D4C7BEE1956C907D584099CB40F68CE7DA4E90F237A2ED4D9255C66150E1FC9E816AFAF7A56E31BB7B2529538921E11F66CE46166AFA58D07AF2025E60C5026EDD6A3DCE3A393910D500',X'844DA201320448704551F5E2023A2EA059013CA76474696C6C66542D303030316565706F63680165706172747385836963616D706169676E73190172582026773A0743814E0AD98BC3E5D7D06884744D81803BE2EE485FB261DA28B839FC83646B657973188A5820356451C8B028DC280751842EDC664A4DFBDE2DFC9CE49F5EDAE357844D420D1D8365706C616365186A58200AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85836670726F6D6F7301582076BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71836D7374617475732F61636D652F3118305820AF4B83FE87F7BB04477EA133316CB5BCD616F245D1E3A2C72EA93ACFEC4887DD666973737565641A6B0261EE6873657175656E6365016D7374616C655F61667465725F731A000151806F657870697265735F61667465725F731A0012750058404ACAD745D9F2A9EDDAB85E7FBC6F0D6024CD6F9C58CF89B31C1AD02628FC341A10DE9AE315406DE2E0A2BA183B0EFFCB72E6B1F314A9BAA642793CCB63837D00');
CREATE TABLE chain (
    lane TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "chain" VALUES('evidence',1,'813f6915104ba345b4f84ee9b5056368a3582e7175084e9c28f3f09e9a86ae7e');
INSERT INTO "chain" VALUES('redemption',1,'fffba6b6c5979b4cedf073294f8c4ceed245e37bd7cfa8fea30be6996b6e3d67');
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    at TEXT NOT NULL,
    forget_after INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "coupon_use" VALUES('acme',1,1,'T-0001-1','2026-11-22T03:30:54.994Z',20809);
CREATE TABLE part (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "part" VALUES('campaigns',X'26773A0743814E0AD98BC3E5D7D06884744D81803BE2EE485FB261DA28B839FC',X'81B164656E64731952986473697A651864657469746C65A262656E6A3330206F666620313030627A686FE6BBA1E799BEE5878FE4B889E58D8166627564676574A469636F756E745F6461791A000F42406D636F756E745F6F66666C696E651A000F42406F76616C75655F6461795F6D696E6F721B00000002540BE4007376616C75655F6F66666C696E655F6D696E6F721B00000002540BE400666973737565726461636D65666E756D626572016670726F6D7074A262656E60627A68606673746172747319510D6673746F726573F66762656E65666974A3646B696E646A616D6F756E745F6F66666C616D6F756E745F6D696E6F72190BB86F7468726573686F6C645F6D696E6F721927106776657273696F6E016863757272656E637963434E596A636F6E646974696F6E73A262656E60627A68606A67726163655F64617973006D6F66666C696E655F636C61737361436D7374616C655F70657263656E7418196F657870697265645F70657263656E7400');
INSERT INTO "part" VALUES('keys',X'356451C8B028DC280751842EDC664A4DFBDE2DFC9CE49F5EDAE357844D420D1D',X'81A8636B696448FEEFFD8F54C17FC4666973737565726461636D6567657870697265731952BB69616C676F726974686D326963616D706169676E73F66A6E6F745F6265666F7265006A7075626C69635F6B65795820BCCBC2B9BF5777EDAD1F0F31F09CE0C962DF37AC91D1D928F29BCF94FAD810916F76616C75655F6D61785F6D696E6F721A000F4240');
INSERT INTO "part" VALUES('place',X'0AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85',X'A7647A6F6E65635554436573746F726564532D3037657469746C65A262656E6D50656F706C65277320526F6164627A686CE4BABAE6B091E8B7AFE5BA976667726F757073811846666E756D626572076863757272656E637963434E59686D65726368616E746461636D65');
INSERT INTO "part" VALUES('promos',X'76BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71',X'80');
INSERT INTO "part" VALUES('status/acme/1',X'AF4B83FE87F7BB04477EA133316CB5BCD616F245D1E3A2C72EA93ACFEC4887DD',X'A464626974734B78DA6360C001000019000165636F756E741864666973737565726461636D656863616D706169676E01');
CREATE TABLE print_job (
    job_id TEXT PRIMARY KEY,
    redemption_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    state TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    queued_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
INSERT INTO "print_job" VALUES('T-0001-1','T-0001-1','{"elements":[{"kind":"feed"},{"kind":"text","text":"People''s Road","align":"center","bold":true,"size":2},{"kind":"text","text":"Coupon receipt","align":"center"},{"kind":"feed"},{"kind":"rule"},{"kind":"columns","left":"Redemption","right":"T-0001-1"},{"kind":"columns","left":"Till","right":"T-0001"},{"kind":"columns","left":"Time","right":"2026-11-22 03:30:54"},{"kind":"rule"},{"kind":"columns","left":"Campaign","right":"30 off 100"},{"kind":"columns","left":"Offer","right":"30 off from 100"},{"kind":"rule"},{"kind":"feed"},{"kind":"text","text":"Redeemed","align":"center","bold":true,"size":2},{"kind":"feed"},{"kind":"text","text":"Redeemed offline; registered when back online","align":"center"},{"kind":"feed"},{"kind":"rule"},{"kind":"text","text":"Thank you, see you again soon","align":"center"},{"kind":"text","text":"This receipt holds no personal data","align":"center"},{"kind":"feed"},{"kind":"cut"}],"version":1}','queued',0,'','2026-11-22T03:30:54.994Z','2026-11-22T03:30:54.994Z');
CREATE TABLE promo (
    short TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    texts TEXT NOT NULL,
    redemption_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE record (
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    event TEXT NOT NULL,
    -- conflict: acknowledged, and the coupon was redeemed at another till as well
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT,              -- the cloud's answer as JSON
    PRIMARY KEY (lane, sequence)
) STRICT;
INSERT INTO "record" VALUES('redemption',1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-22","campaign_version":1,"charge_minor":3000,"clock":{"doubt":"","wall":"2026-11-22T03:30:54.994Z"},"coupon":{"campaign":1,"index":1,"issuer":"acme","kid":"feeffd8f54c17fc4","referrer":null,"touch":null},"currency":"CNY","detail":null,"discount_minor":null,"merchant":"acme","offline":true,"offline_class":"C","outcome":"accepted","promo":null,"redemption_id":"T-0001-1","sale":null,"scan_id":"5ec300eba37549efadaa178f6de7160c","source":"test","store":"S-07","token_sha256":"9981ff7ef4d0bc5f7d30dc5e21ae72de438010f0f866ac5e053fc9a6f8aa2d02"},"datacontenttype":"application/json","id":"T-0001-1","lane":"redemption","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-22T03:30:54.994Z","type":"redeemd.redemption.v1","hash":"fffba6b6c5979b4cedf073294f8c4ceed245e37bd7cfa8fea30be6996b6e3d67","signature":"ji7YlZLcsmD16MX4A0r6q-_pqe6Hx7QEnHaFgpXNxk6pjNFMUbhb4vsX_NjLq6huQ28QwQRmtgu7ikeUTwRaCA"}','waiting',NULL);
INSERT INTO "record" VALUES('evidence',1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-22","clock":{"doubt":"","wall":"2026-11-22T03:30:54.994Z"},"coupon":{"campaign":1,"index":1,"issuer":"acme","kid":"feeffd8f54c17fc4","referrer":null,"touch":null},"detail":null,"merchant":"acme","offline":true,"outcome":"already_redeemed","sale":null,"scan_id":"600d70197c7f4011847ea5f09d75d1f4","source":"test","store":"S-07","token_sha256":"9981ff7ef4d0bc5f7d30dc5e21ae72de438010f0f866ac5e053fc9a6f8aa2d02"},"datacontenttype":"application/json","id":"T-0001-E1","lane":"evidence","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-22T03:30:54.994Z","type":"redeemd.evidence.v1","hash":"813f6915104ba345b4f84ee9b5056368a3582e7175084e9c28f3f09e9a86ae7e","signature":"gmHxy6uVCx_u3J2kGEJcDSseQRKGexKkfh1sTnxrbXDbYU0nnckfzQ1STkNKGtD4boL4gbwvwf1XgthFgBWpDQ"}','waiting',NULL);
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "request" VALUES('key','ef988e191ad82df227c23ce967744b02ad48623dc222db90fe638e94a1364238','{"scan_id": "5ec300eba37549efadaa178f6de7160c", "at": "2026-11-22T03:30:54.994Z", "source": "test", "outcome": "accepted", "accepted": true, "tone": "good", "transient": false, "zh": "可用：满 100 减 30", "en": "Accepted: 30 off from 100", "next_zh": "请核对：满 100 减 30", "next_en": "Check: 30 off from 100", "works_from": null, "detail": null, "coupon": {"issuer": "acme", "campaign": 1, "index": 1, "expires": "2026-12-22"}, "campaign": {"title_zh": "满百减三十", "title_en": "30 off 100", "benefit_zh": "满 100 减 30", "benefit_en": "30 off from 100", "prompt_zh": "", "prompt_en": ""}, "discount_minor": null, "currency": "CNY", "redemption_id": "T-0001-1", "print_job": "T-0001-1", "offline": true, "first_use": null, "replayed": false, "ms": 0.0}','2026-11-22T03:30:54.994Z');
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('till','T-0001');
INSERT INTO "setting" VALUES('time_mark','2026-11-22T03:30:54.000Z');
CREATE TABLE tally (
    day INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    discount_minor INTEGER NOT NULL,
    PRIMARY KEY (day, outcome)
) STRICT, WITHOUT ROWID;
INSERT INTO "tally" VALUES(20779,'accepted',1,0);
INSERT INTO "tally" VALUES(20779,'already_redeemed',1,0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX record_waiting ON record (lane, sequence) WHERE state = 'waiting';
CREATE INDEX record_quarantined ON record (lane, sequence) WHERE state = 'quarantined';
CREATE INDEX record_conflict ON record (lane, sequence) WHERE state = 'conflict';
CREATE INDEX print_job_open ON print_job (queued_at) WHERE state IN ('queued', 'sending', 'unconfirmed', 'failed');
CREATE INDEX promo_free ON promo (short) WHERE redemption_id IS NULL;
COMMIT;
PRAGMA application_id = 1380207940;
PRAGMA user_version = 1;
